/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/sig_value.h"

#include "common/base/num.h"
#include "common/base/alloc.h"

#include <arpa/inet.h>
#include <errno.h>

/* Source: the names that rules use, of /etc/services; the file itself differs between images. */
static const struct {
	const char *name;
	uint16_t port;
} services[] = {
	{"ftp", 21},
	{"ssh", 22},
	{"telnet", 23},
	{"smtp", 25},
	{"domain", 53},
	{"tftp", 69},
	{"http", 80},
	{"kerberos", 88},
	{"pop3", 110},
	{"sunrpc", 111},
	{"ntp", 123},
	{"imap2", 143},
	{"snmp", 161},
	{"ldap", 389},
	{"https", 443},
	{"microsoft-ds", 445},
	{"submissions", 465},
	{"syslog", 514},
	{"submission", 587},
	{"ldaps", 636},
	{"rsync", 873},
	{"imaps", 993},
	{"pop3s", 995},
	{"socks", 1080},
	{"openvpn", 1194},
	{"ms-sql-s", 1433},
	{"nfs", 2049},
	{"mysql", 3306},
	{"ms-wbt-server", 3389},
	{"postgresql", 5432},
	{"amqp", 5672},
	{"redis", 6379},
	{"ircd", 6667},
	{"http-alt", 8080},
};

int sig_value_int(struct pw_slice text, int64_t *ret)
{
	if (text.len > 1 && text.ptr[0] == '+')
		text = pw_slice_sub(text, 1, text.len);
	return pw_num_i64(text, INT64_MIN, INT64_MAX, ret) < 0 ? -EINVAL : 0;
}

int sig_value_port(struct pw_slice text, int64_t *ret)
{
	uint64_t number;

	for (size_t i = 0; i < PW_COUNT(services); i++) {
		if (!pw_slice_eq_str(text, services[i].name))
			continue;
		*ret = services[i].port;
		return 0;
	}
	if (pw_num_u64(text, 65535, &number) < 0)
		return -EINVAL;
	*ret = (int64_t)number;
	return 0;
}

int sig_value_net(struct pw_slice text, struct sig_net *ret)
{
	struct sig_net net = {.bits = 0};
	struct pw_slice rest = text, address = {NULL, 0};
	bool has_bits = pw_slice_find_byte(text, '/') >= 0;
	char buffer[INET6_ADDRSTRLEN];
	uint64_t bits;

	(void)pw_slice_cut(&rest, '/', &address);
	if (address.len == 0 || address.len >= sizeof(buffer))
		return -EINVAL;
	memcpy(buffer, address.ptr, address.len);
	buffer[address.len] = '\0';
	net.family = pw_slice_find_byte(address, ':') >= 0 ? AF_INET6 : AF_INET;
	if (inet_pton(net.family, buffer, net.bytes) != 1)
		return -EINVAL;
	bits = net.family == AF_INET ? 32 : 128;
	if (has_bits && pw_num_u64(rest, bits, &bits) < 0)
		return -EINVAL;
	net.bits = (uint8_t)bits;
	*ret = net;
	return 0;
}

bool sig_net_has(const struct sig_net *net, const struct sig_net *address)
{
	uint8_t whole = net->bits / 8, rest = net->bits % 8;

	if (net->family != address->family || memcmp(net->bytes, address->bytes, whole) != 0)
		return false;
	return rest == 0 || (net->bytes[whole] ^ address->bytes[whole]) >> (8 - rest) == 0;
}
