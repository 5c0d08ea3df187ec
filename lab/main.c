/* SPDX-License-Identifier: Apache-2.0 */
/* podward-rules: rules without a cluster. */
#include "lab/vectors.h"

#include <stdio.h>
#include <string.h>

static int usage(void)
{
	(void)fputs(
		"podward-rules COMMAND\n\n"
		"  vectors FILE [EVENTS]   conformance vectors against compiler and evaluator\n",
		stderr);
	return 2;
}

static int command_vectors(int argc, char **argv)
{
	struct vectors_result result;
	struct pw_err err = PW_ERR_INIT;
	pw_auto_buf out;

	if (argc < 1 || argc > 2)
		return usage();
	pw_buf_init(&out, 64 << 20);
	if (vectors_run(argv[0], argc > 1 ? argv[1] : NULL, &out, &result, &err) < 0) {
		(void)fprintf(stderr, "podward-rules: %s\n", err.msg);
		return 2;
	}
	(void)fputs(pw_buf_text(&out), stdout);
	(void)printf("agreed %llu, differing %llu, of these deliberate %llu\n",
		(unsigned long long)result.agreed, (unsigned long long)result.differing,
		(unsigned long long)result.deliberate);
	return result.differing > result.deliberate;
}

int main(int argc, char **argv)
{
	if (argc >= 2 && strcmp(argv[1], "vectors") == 0)
		return command_vectors(argc - 2, argv + 2);
	return usage();
}
