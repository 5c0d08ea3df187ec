/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/offline.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILES_MAX 32

int offline_run(int argc, char **argv)
{
	char self[PATH_MAX], path[PATH_MAX + 20];
	char *args[FILES_MAX + 4] = {(char *)"podward-rules", (char *)"test"};
	ssize_t len;
	char *slash;

	if (argc < 5 || strcmp(argv[1], "--replay") != 0 || strcmp(argv[3], "--rules") != 0)
		return -1;
	len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[len > 0 ? len : 0] = '\0';
	slash = strrchr(self, '/');
	if (!slash || argc - 4 > FILES_MAX) {
		(void)fprintf(
			stderr, "podward-analyzer: --rules takes at most %d files\n", FILES_MAX);
		return 2;
	}
	*slash = '\0';
	(void)snprintf(path, sizeof(path), "%s/podward-rules", self);
	args[2] = argv[2];
	for (int i = 4; i < argc; i++)
		args[i - 1] = argv[i];
	(void)execv(path, args);
	(void)fprintf(stderr, "podward-analyzer: %s: %s\n", path, strerrordesc_np(errno));
	return 2;
}
