/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rpc/identity.h"

#include <errno.h>
#include <stdio.h>

static const struct {
	enum pw_role role;
	const char *name;
} roles[] = {
	{PW_ROLE_COLLECTOR, "collector"},
	{PW_ROLE_ANALYZER, "analyzer"},
	{PW_ROLE_POLICYSYNC, "policysync"},
};

const char *pw_role_name(enum pw_role role)
{
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (roles[i].role == role)
			return roles[i].name;
	return "nobody";
}

const char *pw_identity_text(const struct pw_identity *id, char *out, size_t size)
{
	(void)snprintf(
		out, size, "%s%s%s", pw_role_name(id->role), id->name[0] ? " " : "", id->name);
	return out;
}

static enum pw_role role_of(struct pw_slice text)
{
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (pw_slice_eq_str(text, roles[i].name))
			return roles[i].role;
	return PW_ROLE_NONE;
}

/* Nothing that needs escaping, no wildcard, no path. */
static bool is_name(struct pw_slice s)
{
	if (s.len == 0 || s.len >= sizeof(((struct pw_identity *)0)->name))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.ptr[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
			c != '-' && c != '.' && c != '_')
			return false;
	}
	return s.ptr[0] != '.' && s.ptr[s.len - 1] != '.';
}

static int take(
	struct pw_identity *id, struct pw_slice role_text, bool has_name, struct pw_slice name)
{
	enum pw_role role = role_of(role_text);

	if (role == PW_ROLE_NONE)
		return 0;
	if (has_name && !is_name(name))
		return -EBADMSG;
	if (id->role != PW_ROLE_NONE && id->role != role)
		return -EEXIST;
	if (has_name && id->name[0] && !pw_slice_eq_str(name, id->name))
		return -EEXIST;
	id->role = role;
	if (has_name) {
		memcpy(id->name, name.ptr, name.len);
		id->name[name.len] = '\0';
	}
	return 0;
}

int pw_identity_take_uri(struct pw_identity *id, const char *domain, struct pw_slice uri)
{
	struct pw_slice rest, part;
	bool has_name;

	if (!pw_slice_starts(uri, PW_SLICE_LIT("spiffe://")))
		return 0;
	rest = pw_slice_sub(uri, sizeof("spiffe://") - 1, uri.len);
	if (!pw_slice_cut(&rest, '/', &part) || !pw_slice_eq_str(part, domain))
		return 0;
	if (!pw_slice_cut(&rest, '/', &part))
		return 0;
	has_name = (size_t)(part.ptr + part.len - uri.ptr) < uri.len; /* a '/' follows */
	return take(id, part, has_name, rest);
}

int pw_identity_take_dns(struct pw_identity *id, const char *domain, struct pw_slice dns)
{
	size_t len = strlen(domain);
	struct pw_slice front;
	ptrdiff_t dot;

	if (dns.len <= len + 1 || dns.ptr[dns.len - len - 1] != '.' ||
		!pw_slice_eq_str(pw_slice_sub(dns, dns.len - len, dns.len), domain))
		return 0;
	front = pw_slice_sub(dns, 0, dns.len - len - 1);
	dot = pw_slice_rfind_byte(front, '.');
	if (dot < 0)
		return take(id, front, false, front);
	return take(id, pw_slice_sub(front, (size_t)dot + 1, front.len), true,
		pw_slice_sub(front, 0, (size_t)dot));
}

bool pw_identity_is(const struct pw_identity *id, enum pw_role role, const char *name)
{
	return id->role == role && (!name || !name[0] || strcmp(id->name, name) == 0);
}

bool pw_identity_domain_is_valid(const char *domain)
{
	return is_name(pw_slice_str(domain)) && !strchr(domain, '_');
}
