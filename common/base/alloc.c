/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/alloc.h"

#include <stdint.h>
#include <string.h>

void *pw_alloc0(size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes))
		return NULL;
	return calloc(1, bytes ? bytes : 1);
}

void *pw_realloc(void *p, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes))
		return NULL;
	return realloc(p, bytes ? bytes : 1);
}

char *pw_memdupz(const void *p, size_t len)
{
	char *copy;

	if (len == SIZE_MAX)
		return NULL;
	copy = malloc(len + 1);
	if (!copy)
		return NULL;
	if (len)
		memcpy(copy, p, len);
	copy[len] = '\0';
	return copy;
}

char *pw_strdup(const char *text)
{
	return pw_memdupz(text, strlen(text));
}
