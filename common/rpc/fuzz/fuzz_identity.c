/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of a certificate, one a line: 'u' in front of a URI, anything else in front of a DNS name.
 * Whoever signs for a node may put any bytes there; what comes out is shown in logs and compared
 * with what a hello claims.
 */
#include "common/base/err.h"
#include "common/rpc/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct pw_identity *id)
{
	char text[300];
	size_t len = strnlen(id->name, sizeof(id->name));

	pw_assert(len < sizeof(id->name));
	pw_assert(id->role == PW_ROLE_NONE || id->role == PW_ROLE_COLLECTOR ||
		  id->role == PW_ROLE_ANALYZER || id->role == PW_ROLE_POLICYSYNC);
	pw_assert(id->role != PW_ROLE_NONE || len == 0);
	for (size_t i = 0; i < len; i++)
		pw_assert(id->name[i] > ' ' && id->name[i] < 127 && id->name[i] != '/' &&
			  id->name[i] != '*' && id->name[i] != '"');
	pw_assert(strlen(pw_identity_text(id, text, sizeof(text))) < sizeof(text) - 1);
	pw_assert(id->role == PW_ROLE_NONE || pw_identity_is(id, id->role, id->name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pw_slice rest = pw_slice_of(data, size), line;
	struct pw_identity id = {0};

	while (pw_slice_cut(&rest, '\n', &line)) {
		struct pw_identity before = id;
		int r;

		if (line.len == 0)
			continue;
		r = line.ptr[0] == 'u' ? pw_identity_take_uri(&id, "podward.svc",
						 pw_slice_sub(line, 1, line.len))
				       : pw_identity_take_dns(&id, "podward.svc",
						 pw_slice_sub(line, 1, line.len));
		pw_assert(r <= 0);
		check(&id);
		/* A refusal changes nothing, and what was taken stays. */
		pw_assert(r == 0 || memcmp(&before, &id, sizeof(id)) == 0);
		pw_assert(before.role == PW_ROLE_NONE || before.role == id.role);
		pw_assert(!before.name[0] || strcmp(before.name, id.name) == 0);
	}
	return 0;
}
