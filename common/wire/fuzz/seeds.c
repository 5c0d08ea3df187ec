/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the seed corpus of fuzz_batch: `wire_seeds DIR`. Rows of good messages from seeded worlds.
 */
#include "common/wire/tests/kit.h"

#include <errno.h>
#include <stdio.h>

#define ARENA_LIMIT (8u << 20)

static int write_message(FILE *f, struct pw_slice bytes)
{
	uint8_t head[2] = {(uint8_t)(bytes.len & 0xff), (uint8_t)(bytes.len >> 8)};

	if (!bytes.ptr || bytes.len > 0xffff)
		return -E2BIG;
	if (fwrite(head, 1, 2, f) != 2 || fwrite(bytes.ptr, 1, bytes.len, f) != bytes.len)
		return -EIO;
	return 0;
}

static int write_seed(FILE *f, struct kit_world *w, struct pw_encoder *e, struct pw_arena *arena)
{
	uint32_t messages = 1 + kit_below(w, 4);
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < messages; i++) {
		kit_auto_batch b = NULL;
		Podward__V1__EventBatch msg;

		if (kit_below(w, 4) == 0)
			w->dict_epoch++;
		r = kit_batch(w, kit_below(w, 12), &b);
		if (r == 0)
			r = pw_encode_batch(e, b, arena, &msg);
		if (r == 0)
			r = write_message(f, kit_pack(&msg, arena));
	}
	return r;
}

static int write_file(const char *directory, uint32_t seed, struct kit_world *w)
{
	kit_auto_encoder e = NULL;
	kit_auto_arena arena = NULL;
	char path[512];
	FILE *f = NULL;
	int r = pw_encoder_new(&e);

	if (r == 0)
		r = pw_arena_new(65536, ARENA_LIMIT, &arena);
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "%s/world-%02u", directory, seed);
	f = fopen(path, "we");
	if (!f)
		return -errno;
	kit_world_init(w, seed, 1);
	r = write_seed(f, w, e, arena);
	return fclose(f) == 0 ? r : -EIO;
}

int main(int argc, char **argv)
{
	pw_auto_free struct kit_world *w = pw_alloc0(1, sizeof(*w));
	int r = 0;

	if (argc != 2 || !w) {
		(void)fputs("usage: wire_seeds DIR\n", stderr);
		return 2;
	}
	for (uint32_t seed = 0; r == 0 && seed < 24; seed++)
		r = write_file(argv[1], seed, w);
	if (r < 0)
		(void)fprintf(stderr, "wire_seeds: %s: %s\n", argv[1], strerror(-r));
	return r < 0;
}
