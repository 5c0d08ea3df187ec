/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What several tests of policysync need: a private folder, alerts made from numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "podward/v1/alert.pb-c.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder {
	char path[64];
};

static inline void folder_make(struct folder *f)
{
	(void)snprintf(f->path, sizeof(f->path), "/tmp/podward-test-XXXXXX");
	assert_non_null(mkdtemp(f->path));
}

static inline void folder_remove(struct folder *f)
{
	DIR *dir = opendir(f->path);
	const struct dirent *e;

	while (dir && (e = readdir(dir)) != NULL)
		if (e->d_name[0] != '.' || e->d_name[1] == 'h')
			(void)unlinkat(dirfd(dir), e->d_name, 0);
	if (dir)
		(void)closedir(dir);
	(void)rmdir(f->path);
}

static inline void folder_write(const struct folder *f, const char *name, const char *text)
{
	char path[256];
	FILE *out;

	(void)snprintf(path, sizeof(path), "%s/%s", f->path, name);
	out = fopen(path, "w");
	assert_non_null(out);
	assert_int_equal(fwrite(text, 1, strlen(text), out), strlen(text));
	assert_int_equal(fclose(out), 0);
}

static inline ProtobufCBinaryData text_of(const char *text)
{
	return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

/* An alert whose id is a number; id and extra text are borrowed from the struct. */
struct numbered_alert {
	Podward__V1__Alert alert;
	uint8_t id[16];
};

static inline void alert_make(
	struct numbered_alert *a, uint64_t number, Podward__V1__Severity severity)
{
	podward__v1__alert__init(&a->alert);
	memset(a->id, 0, sizeof(a->id));
	memcpy(a->id, &number, sizeof(number));
	a->alert.id = (ProtobufCBinaryData){sizeof(a->id), a->id};
	a->alert.severity = severity;
	a->alert.engine = PODWARD__V1__ENGINE__ENGINE_SIGNATURE;
	a->alert.first_wall_ns = 1700000000 * (int64_t)PW_NS_PER_S + (int64_t)number;
	a->alert.detector = text_of("sig/default/miner.process");
	a->alert.title = text_of("Program with the name of a crypto miner started");
	a->alert.reason = text_of("xmrig is the name of a known miner");
	a->alert.pod_group = text_of("shop/Deployment/cart/server");
	a->alert.mode = text_of("Alert");
}

static inline void alert_pack(const Podward__V1__Alert *a, struct pw_buf *out)
{
	pw_buf_init(out, 1 << 20);
	assert_non_null(pw_buf_extend(out, podward__v1__alert__get_packed_size(a)));
	(void)podward__v1__alert__pack(a, out->data);
}
