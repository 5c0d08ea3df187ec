/* SPDX-License-Identifier: Apache-2.0 */
/* Any payload as a DNS message: what comes out is text of bounded length, or nothing. */
#include "collector/dns.h"
#include "common/base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pw_buf name, addresses;
	uint32_t aux = 0;

	pw_buf_init(&name, 4096);
	pw_buf_init(&addresses, 4096);
	dns_describe(pw_slice_of(data, size), &name, &addresses, &aux);
	pw_assert(pw_buf_error(&name) == 0 && pw_buf_error(&addresses) == 0);
	pw_assert(name.len <= 255);
	pw_assert(pw_slice_find_byte(pw_buf_slice(&name), 0) < 0);
	pw_assert(aux != 0 || (name.len == 0 && addresses.len == 0) || name.len > 0);
	pw_buf_done(&name);
	pw_buf_done(&addresses);
	return 0;
}
