/* SPDX-License-Identifier: Apache-2.0 */
/* podward-rules: rules without a cluster. Exit code 0 = fine, 1 = something was found, 2 = usage.
 */
#include "lab/lint.h"
#include "lab/replay.h"
#include "lab/rules.h"
#include "lab/vectors.h"

#include <stdio.h>
#include <string.h>

#define OUT_BYTES (64u << 20)

static int usage(void)
{
	(void)fputs("podward-rules COMMAND\n\n"
		    "  lint [FILE…]                refused rules with their places, and what is "
		    "suspicious\n"
		    "  test RECORDING [FILE…]      alerts that the rules give for a recording "
		    "(.pwrec)\n"
		    "  vectors FILE [EVENTS]       conformance vectors against compiler and "
		    "evaluator\n\n"
		    "FILE: SignatureSet documents, or a Falco rule file; without one the default "
		    "set.\n",
		stderr);
	return 2;
}

static int fail(const struct pw_err *err)
{
	(void)fprintf(stderr, "podward-rules: %s\n", err->msg);
	return 2;
}

static int command_vectors(int argc, char **argv)
{
	struct vectors_result result;
	struct pw_err err = PW_ERR_INIT;
	pw_auto_buf out;

	if (argc < 1 || argc > 2)
		return usage();
	pw_buf_init(&out, OUT_BYTES);
	if (vectors_run(argv[0], argc > 1 ? argv[1] : NULL, &out, &result, &err) < 0)
		return fail(&err);
	(void)fputs(pw_buf_text(&out), stdout);
	(void)printf("agreed %llu, differing %llu, of these deliberate %llu\n",
		(unsigned long long)result.agreed, (unsigned long long)result.differing,
		(unsigned long long)result.deliberate);
	return result.differing > result.deliberate;
}

static int command_lint(int argc, char **argv)
{
	struct policy *p = NULL;
	struct pw_err err = PW_ERR_INIT;
	uint32_t found;
	pw_auto_buf out;

	if (lab_rules_load((const char *const *)argv, (size_t)argc, &p, &err) < 0)
		return fail(&err);
	pw_buf_init(&out, OUT_BYTES);
	lab_rules_print_problems(p, &out);
	found = lab_lint(p, &out);
	(void)fputs(pw_buf_text(&out), stdout);
	(void)printf("%u rules run, %u refused, %u findings\n", p->signatures->count,
		p->signatures->refused, found);
	found += p->signatures->refused;
	policy_free(p);
	return found > 0;
}

static int command_test(int argc, char **argv)
{
	struct replay_result result;
	struct policy *p = NULL;
	struct pw_err err = PW_ERR_INIT;
	pw_auto_buf out;
	int r;

	if (argc < 1)
		return usage();
	if (lab_rules_load((const char *const *)argv + 1, (size_t)argc - 1, &p, &err) < 0)
		return fail(&err);
	pw_buf_init(&out, OUT_BYTES);
	lab_rules_print_problems(p, &out);
	(void)fputs(pw_buf_text(&out), stderr);
	pw_buf_clear(&out);
	r = lab_replay(argv[0], p, &out, &result, &err);
	policy_free(p);
	if (r < 0)
		return fail(&err);
	(void)fputs(pw_buf_text(&out), stdout);
	(void)fprintf(stderr, "%llu events, %llu alerts\n", (unsigned long long)result.events,
		(unsigned long long)result.alerts);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} commands[] = {
		{"lint", command_lint}, {"test", command_test}, {"vectors", command_vectors}};

	for (size_t i = 0; argc >= 2 && i < PW_COUNT(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 2, argv + 2);
	return usage();
}
