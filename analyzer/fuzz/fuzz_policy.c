/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of a PolicySnapshot: compiled, looked at by two groups, asked about events of each kind. */
#include "analyzer/view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct view *v)
{
	struct pw_process process = {.exe = PW_SLICE_LIT("/usr/bin/x")};
	struct pw_event e = {.process = &process, .count = 1};
	struct view_alert a = {.detector = PW_SLICE_LIT("profile/exec"),
		.object = PW_SLICE_LIT("/etc/shadow"),
		.actor = PW_SLICE_LIT("/usr/bin/x")};

	for (e.kind = 1; e.kind < PW_EVENT_KINDS; e.kind++) {
		bool connect = e.kind == PW_EVENT_CONNECT;

		e.aux = connect ? PW_CONNECT_AUX(443, 6, 2) : 3;
		e.object = connect ? PW_SLICE_LIT("10.1.2.3") : PW_SLICE_LIT("/etc/shadow");
		for (uint32_t tier = 1; tier <= 3; tier++) {
			(void)view_rule(v, tier, 1, &e);
			(void)view_rule(v, tier, 2, &e);
		}
	}
	(void)view_exclusion(v, &a, &(uint32_t){0});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const groups[] = {"shop/Deployment/web/app", "x"};
	struct policy *p = NULL;
	struct pw_err err = PW_ERR_INIT;

	if (policy_compile(pw_slice_of(data, size), &p, &err) < 0) {
		pw_assert(err.msg[0] != '\0');
		return 0;
	}
	for (size_t i = 0; i < PW_COUNT(groups); i++) {
		struct view *v = NULL;

		if (view_new(p, 1, pw_slice_str(groups[i]), PW_SLICE_LIT("img"), &v) == 0)
			ask(v);
		view_free(v);
	}
	policy_free(p);
	return 0;
}
