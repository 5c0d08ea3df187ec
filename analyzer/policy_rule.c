/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/policy_rule.h"

#include "analyzer/behaviour.h"
#include "common/base/glob.h"
#include "common/base/num.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#define ACCESS(x) ((uint32_t)PODWARD__V1__FILE_ACCESS__FILE_ACCESS_##x)

int policy_globs_make(struct pw_arena *arena, const ProtobufCBinaryData *items, size_t count,
	struct policy_globs *out)
{
	struct pw_slice *made;

	*out = (struct policy_globs){NULL, 0};
	if (count == 0)
		return 0;
	made = pw_arena_alloc0(arena, count, sizeof(*made));
	if (!made)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		made[i] = pw_slice_of(items[i].data, items[i].len);
	*out = (struct policy_globs){made, (uint32_t)count};
	return 0;
}

int policy_cidr_parse(struct pw_slice text, struct policy_cidr *ret)
{
	struct policy_cidr c = {.bits = 0};
	struct pw_slice rest = text, address = {NULL, 0};
	char buffer[INET6_ADDRSTRLEN];
	uint64_t bits, most;
	bool has_bits = pw_slice_find_byte(text, '/') >= 0;

	(void)pw_slice_cut(&rest, '/', &address);
	if (address.len == 0 || address.len >= sizeof(buffer))
		return -EINVAL;
	memcpy(buffer, address.ptr, address.len);
	buffer[address.len] = '\0';
	c.family = strchr(buffer, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(c.family, buffer, c.bytes) != 1)
		return -EINVAL;
	most = c.family == AF_INET ? 32 : 128;
	bits = most;
	if (has_bits && pw_num_u64(rest, most, &bits) < 0)
		return -EINVAL;
	c.bits = (uint8_t)bits;
	*ret = c;
	return 0;
}

bool policy_cidr_has(const struct policy_cidr *c, uint8_t family, const uint8_t *address)
{
	uint8_t whole = c->bits / 8, rest = c->bits % 8;

	if (family != c->family || memcmp(c->bytes, address, whole) != 0)
		return false;
	return rest == 0 || (c->bytes[whole] ^ address[whole]) >> (8 - rest) == 0;
}

static int make_network(const Podward__V1__NetworkMatch *n, struct pw_arena *arena,
	struct policy_rule *out, struct pw_err *err)
{
	struct pw_slice protocol = pw_slice_of(n->protocol.data, n->protocol.len);

	out->event_kind = PW_EVENT_CONNECT;
	out->ports = n->ports;
	out->port_count = (uint32_t)n->n_ports;
	if (pw_slice_eq_str(protocol, "tcp"))
		out->protocol = IPPROTO_TCP;
	else if (pw_slice_eq_str(protocol, "udp"))
		out->protocol = IPPROTO_UDP;
	else if (protocol.len > 0)
		return pw_err_set(err, -EINVAL, "network.protocol must be tcp or udp");
	if (n->n_cidrs == 0)
		return 0;
	out->cidrs = pw_arena_alloc0(arena, n->n_cidrs, sizeof(*out->cidrs));
	if (!out->cidrs)
		return pw_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n->n_cidrs; i++)
		if (policy_cidr_parse(
			    pw_slice_of(n->cidrs[i].data, n->cidrs[i].len), &out->cidrs[i]) < 0)
			return pw_err_set(
				err, -EINVAL, "network.cidrs[%zu] is no address range", i);
	out->cidr_count = (uint32_t)n->n_cidrs;
	return 0;
}

static int make_match(const Podward__V1__Rule *r, struct pw_arena *arena, struct policy_rule *out,
	struct pw_err *err)
{
	if (!!r->exec + !!r->file + !!r->network != 1)
		return pw_err_set(err, -EINVAL, "exactly one of exec, file, network must be set");
	if (r->network)
		return make_network(r->network, arena, out, err);
	if (r->exec) {
		out->event_kind = PW_EVENT_EXEC;
		return policy_globs_make(arena, r->exec->paths, r->exec->n_paths, &out->paths);
	}
	out->event_kind = PW_EVENT_OPEN;
	if (r->file->read)
		out->access |= ACCESS(READ);
	if (r->file->write)
		out->access |= ACCESS(WRITE) | ACCESS(CREATE) | ACCESS(TRUNCATE);
	return policy_globs_make(arena, r->file->paths, r->file->n_paths, &out->paths);
}

static int make_detector(struct pw_arena *arena, struct policy_rule *out)
{
	const struct policy_entry *p = out->policy;
	size_t size = p->namespace.len + p->name.len + out->name.len + 10;
	char *text = pw_arena_alloc(arena, size);
	int len;

	if (!text)
		return -ENOMEM;
	len = snprintf(text, size, "policy/%.*s/%.*s/%.*s", PW_SLICE_ARG(p->namespace),
		PW_SLICE_ARG(p->name), PW_SLICE_ARG(out->name));
	out->detector = pw_slice_of(text, (size_t)len);
	return 0;
}

int policy_rule_make(const Podward__V1__Rule *r, struct pw_arena *arena, struct policy_rule *out,
	struct pw_err *err)
{
	int ret;

	out->name = pw_slice_of(r->name.data, r->name.len);
	out->action = (uint32_t)r->action;
	out->severity = r->severity ? (uint32_t)r->severity : PODWARD__V1__SEVERITY__SEVERITY_HIGH;
	out->mitre = r->mitre;
	out->mitre_count = r->n_mitre;
	if (out->name.len == 0 || out->name.len > 253)
		return pw_err_set(err, -EINVAL, "name must have 1 to 253 bytes");
	if (r->action != PODWARD__V1__RULE_ACTION__RULE_ACTION_ALLOW &&
		r->action != PODWARD__V1__RULE_ACTION__RULE_ACTION_DENY)
		return pw_err_set(err, -EINVAL, "action must be Allow or Deny");
	ret = make_match(r, arena, out, err);
	if (ret == 0)
		ret = policy_globs_make(arena, r->from_exec, r->n_from_exec, &out->actors);
	if (ret == 0)
		ret = make_detector(arena, out);
	return ret;
}

static bool network_fits(const struct policy_rule *r, const struct pw_event *e)
{
	uint8_t family = PW_CONNECT_FAMILY(e->aux), address[16];
	char text[INET6_ADDRSTRLEN];
	bool fits = r->port_count == 0;

	if (family != AF_INET && family != AF_INET6)
		return false;
	if (r->protocol && r->protocol != PW_CONNECT_PROTO(e->aux))
		return false;
	for (uint32_t i = 0; i < r->port_count && !fits; i++)
		fits = r->ports[i] == PW_CONNECT_PORT(e->aux);
	if (!fits || r->cidr_count == 0)
		return fits;
	if (e->object.len == 0 || e->object.len >= sizeof(text))
		return false;
	memcpy(text, e->object.ptr, e->object.len);
	text[e->object.len] = '\0';
	if (inet_pton(family, text, address) != 1)
		return false;
	for (uint32_t i = 0; i < r->cidr_count; i++)
		if (policy_cidr_has(&r->cidrs[i], family, address))
			return true;
	return false;
}

bool policy_rule_fits(const struct policy_rule *r, const struct pw_event *e)
{
	if (r->event_kind != e->kind)
		return false;
	if (r->actors.count > 0 &&
		!pw_glob_any(r->actors.items, r->actors.count, behaviour_actor(e)))
		return false;
	if (e->kind == PW_EVENT_CONNECT)
		return network_fits(r, e);
	if (e->kind == PW_EVENT_OPEN && r->access && !(e->aux & r->access))
		return false;
	return r->paths.count == 0 || pw_glob_any(r->paths.items, r->paths.count, e->object);
}
