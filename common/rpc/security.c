/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rpc/security.h"

#include <errno.h>
#include <string.h>

#include "common/base/escape.h"

static bool starts_with_one_of(const char *text, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strncmp(text, list[i], strlen(list[i])) == 0)
			return true;
	return false;
}

bool pw_address_is_unix(const char *address)
{
	static const char *const list[] = {"unix:", "unix-abstract:"};

	return starts_with_one_of(address, list, PW_COUNT(list));
}

static bool is_loopback(const char *address)
{
	static const char *const list[] = {"127.", "[::1]:", "localhost:"};

	return starts_with_one_of(address, list, PW_COUNT(list));
}

static bool has(const char *text)
{
	return text && text[0];
}

int pw_security_check(const struct pw_security *s, struct pw_err *err)
{
	int count = has(s->ca) + has(s->cert) + has(s->key);

	if (count != 0 && count != 3)
		return pw_err_set(err, -EINVAL,
			"--tls-ca, --tls-cert and --tls-key belong together: give all three");
	if (count == 3 && s->insecure)
		return pw_err_set(err, -EINVAL,
			"--insecure: not together with certificates, which would not be used");
	return 0;
}

int pw_security_check_address(
	const struct pw_security *s, const char *flag, const char *address, struct pw_err *err)
{
	char shown[128];

	(void)pw_escape_to(pw_slice_str(address), shown, sizeof(shown));
	if (address[0] == '\0' || !strchr(address, ':') ||
		(strncmp(address, "unix:", 5) == 0 && address[5] != '/'))
		return pw_err_set(err, -EINVAL,
			"--%s: expected unix:/path or host:port, got \"%s\"", flag, shown);
	if (pw_address_is_unix(address) || has(s->cert))
		return 0;
	if (!s->insecure)
		return pw_err_set(err, -EPERM,
			"--%s %s: needs certificates (--tls-ca, --tls-cert, --tls-key); without "
			"them it must be a unix socket, or a loopback address with --insecure",
			flag, shown);
	if (!is_loopback(address))
		return pw_err_set(err, -EPERM,
			"--%s %s: --insecure is for loopback addresses only; this one needs "
			"certificates (--tls-ca, --tls-cert, --tls-key)",
			flag, shown);
	return 0;
}

int pw_security_open(const struct pw_security *s, struct pw_tls **ret, struct pw_err *err)
{
	const struct pw_tls_files files = {
		s->ca, s->cert, s->key, s->domain, s->shared_certificates};

	*ret = NULL;
	if (!has(s->cert))
		return 0;
	return pw_tls_new(&files, ret, err);
}

uint32_t pw_security_age_ms(const struct pw_security *s)
{
	return has(s->cert) ? (uint32_t)(s->connection_age_ns / PW_NS_PER_MS) : 0;
}
