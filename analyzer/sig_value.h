/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Values of conditions by the type of their field: numbers, ports (by number or service name),
 * addresses and ranges. Thread: any.
 */
#include "common/base/slice.h"

struct sig_net {
	uint8_t family; /* AF_INET, AF_INET6 */
	uint8_t bits;
	uint8_t bytes[16];
};

int sig_value_int(struct pw_slice text, int64_t *ret);        /* -EINVAL */
int sig_value_port(struct pw_slice text, int64_t *ret);       /* -EINVAL */
int sig_value_net(struct pw_slice text, struct sig_net *ret); /* address or range; -EINVAL */
/* The address is one of the net; it must be a net of all its bits. */
bool sig_net_has(const struct sig_net *net, const struct sig_net *address);
