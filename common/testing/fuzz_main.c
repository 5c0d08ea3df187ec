/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replays a corpus through a fuzz target where libFuzzer is not linked: every file given, or in a
 * folder given, runs once. Finding none is a failure, so that a lost corpus does not pass.
 */
#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_MAX ((size_t)16 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data;
	size_t size;

	if (!file) {
		(void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	data = malloc(INPUT_MAX);
	if (!data) {
		(void)fclose(file);
		return -1;
	}
	size = fread(data, 1, INPUT_MAX, file);
	(void)fclose(file);
	/* Exactly sized memory, so that AddressSanitizer sees a read behind the end. */
	uint8_t *exact = malloc(size ? size : 1);

	if (exact) {
		memcpy(exact, data, size);
		(void)LLVMFuzzerTestOneInput(exact, size);
	}
	free(data);
	free(exact);
	return exact ? 1 : -1;
}

static int run_path(const char *path);

static int run_folder(const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	int count = 0;

	if (!folder) {
		(void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	while (count >= 0 && (entry = readdir(folder))) {
		char inner[4096];
		int r;

		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
		r = run_path(inner);
		count = r < 0 ? r : count + r;
	}
	(void)closedir(folder);
	return count;
}

static int run_path(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return run_folder(path);
	return run_file(path);
}

int main(int argc, char **argv)
{
	int count = 0;

	for (int i = 1; i < argc; i++) {
		int r = run_path(argv[i]);

		if (r < 0)
			return 1;
		count += r;
	}
	if (!count) {
		(void)fprintf(stderr, "no inputs found\n");
		return 1;
	}
	(void)printf("%d inputs\n", count);
	return 0;
}
