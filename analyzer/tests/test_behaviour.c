/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/behaviour.h"
#include "common/testing/cm.h"
#include "analyzer/tests/kit.h"
#include "common/base/hash.h"

#include <errno.h>
#include <stdio.h>

#define ALL 0x3eu

/* "dimension|actor|object" of the behaviours of one event, '\n' between. */
static void print(const struct behaviour_set *set, char *out, size_t size)
{
	size_t len = 0;

	out[0] = '\0';
	for (uint32_t i = 0; i < set->count; i++) {
		const struct behaviour *b = &set->items[i];

		len += (size_t)snprintf(out + len, size - len, "%s%s|%.*s|%.*s", i ? "\n" : "",
			behaviour_dimension_name(b->dimension), PW_SLICE_ARG(b->actor),
			PW_SLICE_ARG(b->object));
	}
}

static void events_become_behaviours(void **state)
{
	static const struct {
		struct kit_row row;
		const char *want;
	} rows[] = {
		{{PW_EVENT_EXEC, KIT_MINER, "/tmp/xmrig", 0, 0, 0}, "exec|/bin/sh|/tmp/xmrig"},
		{{PW_EVENT_EXEC, KIT_APP, "/usr/bin/app", 0, 0, 0}, "exec||/usr/bin/app"},
		{{PW_EVENT_EXEC, KIT_SHELL, "/bin/x", 0, -EACCES, 0}, ""},
		{{PW_EVENT_OPEN, KIT_APP, "/a", KIT_READ, 3, 0}, "file.read|/usr/bin/app|/a"},
		{{PW_EVENT_OPEN, KIT_APP, "/a", KIT_READ | KIT_WRITE | KIT_CREATE, 3, 0},
			"file.read|/usr/bin/app|/a\nfile.write|/usr/bin/app|/a\nfile.create|/usr/"
			"bin/app|/a"},
		{{PW_EVENT_OPEN, KIT_APP, "/a", KIT_READ, -ENOENT, 0}, ""},
		{{PW_EVENT_OPEN, KIT_APP, "/a", KIT_READ | 32, 3, 0}, ""},
		{{PW_EVENT_OPEN, KIT_APP, "/proc/12/stat", KIT_READ, 3, 0},
			"file.read|/usr/bin/app|/proc/<pid>/stat"},
		{{PW_EVENT_OPEN, KIT_APP, "/proc/1/task/2/comm", KIT_READ, 3, 0},
			"file.read|/usr/bin/app|/proc/<pid>/task/<tid>/comm"},
		{{PW_EVENT_OPEN, KIT_APP, "/proc/12", KIT_READ, 3, 0},
			"file.read|/usr/bin/app|/proc/<pid>"},
		{{PW_EVENT_OPEN, KIT_APP, "/proc/12x/stat", KIT_READ, 3, 0},
			"file.read|/usr/bin/app|/proc/12x/stat"},
		{{PW_EVENT_OPEN, KIT_APP, "/proc/self/stat", KIT_READ, 3, 0},
			"file.read|/usr/bin/app|/proc/self/stat"},
		{{PW_EVENT_CONNECT, KIT_APP, "10.0.0.1", KIT_TCP(443), 0, 0},
			"net.egress|/usr/bin/app|tcp/10.0.0.1/443"},
		{{PW_EVENT_CONNECT, KIT_APP, "10.0.0.1", KIT_TCP(443), -EINPROGRESS, 0},
			"net.egress|/usr/bin/app|tcp/10.0.0.1/443"},
		{{PW_EVENT_CONNECT, KIT_APP, "10.0.0.1", KIT_TCP(443), -EPERM, 0}, ""},
		{{PW_EVENT_CONNECT, KIT_APP, "::1", PW_CONNECT_AUX(53, 17, 10), 0, 0},
			"net.egress|/usr/bin/app|udp/::1/53"},
		{{PW_EVENT_CONNECT, KIT_APP, "/run/x", PW_CONNECT_AUX(0, 0, 1), 0, 0},
			"net.egress|/usr/bin/app|unix/run/x"},
		{{PW_EVENT_EXIT, KIT_APP, NULL, 0, 0, 0}, ""},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		static struct behaviour_set set;
		struct pw_decoded *d = NULL;
		char text[512];

		assert_int_equal(kit_decode(&rows[i].row, 1, 1, &d), 0);
		behaviour_of(&d->events[0], ALL, &set);
		print(&set, text, sizeof(text));
		assert_string_equal(text, rows[i].want);
		behaviour_of(&d->events[0], 0, &set);
		assert_int_equal(set.count, 0);
		pw_decoded_free(d);
	}
}

static void the_key_is_the_documented_hash(void **state)
{
	static const uint8_t bytes[] = "\x01/bin/sh\0/bin/id";

	(void)state;
	assert_true(behaviour_key(1, PW_SLICE_LIT("/bin/sh"), PW_SLICE_LIT("/bin/id")) ==
		    pw_hash64(pw_slice_of(bytes, sizeof(bytes) - 1), 0));
}

static void overlong_texts_are_cut_not_overrun(void **state)
{
	static uint8_t text[9000];
	struct pw_slice path = pw_slice_of(text, sizeof(text));
	struct pw_process process = {.exe = path};
	struct pw_event e = {
		.process = &process, .object = path, .kind = PW_EVENT_OPEN, .aux = KIT_READ};
	static struct behaviour_set set;

	(void)state;
	memset(text, '1', sizeof(text));
	memcpy(text, "/proc/1/", 8);
	behaviour_of(&e, ALL, &set);
	assert_int_equal(set.count, 1);
	assert_true(set.items[0].object.len <= BEHAVIOUR_TEXT_BYTES + 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_become_behaviours),
		cmocka_unit_test(the_key_is_the_documented_hash),
		cmocka_unit_test(overlong_texts_are_cut_not_overrun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
