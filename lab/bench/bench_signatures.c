/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cost of one event in the signature engine, by kind, with the rule files given on the command
 * line: process CPU time, not wall time; median and best of the rounds. Four kinds of opens and
 * connects by 28 processes that stay; for exec every event is a new process image, so nothing is
 * kept. The last figure of each line says how many rules matched, so that a set that matches
 * nothing or everything is seen. "default" as a file is the embedded set; --kind NAME before the
 * files runs one kind only, for a profiler.
 */
#include "analyzer/sig_match.h"
#include "lab/rules.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#define PROCESSES 28u
#define EVENTS    2048u
#define ROUNDS    11u
#define AF_IP     2u
#define TCP       6u

struct kind {
	const char *name;
	uint8_t kind;
	uint16_t syscall; /* number + 1 */
};

static const struct kind kinds[] = {
	{"open", PW_EVENT_OPEN, 258},
	{"connect", PW_EVENT_CONNECT, 43},
	{"exec", PW_EVENT_EXEC, 60},
	{"rename", PW_EVENT_RENAME, 265},
};

struct world {
	struct pw_container container;
	struct pw_process parents[PROCESSES], processes[PROCESSES], images[EVENTS];
	struct pw_event events[EVENTS];
	char args[PROCESSES][256];
};

struct figures {
	double rounds[ROUNDS];
	uint64_t matches;
};

static const char *const names[] = {"nginx", "sh", "bash", "postgres", "java", "python3", "node",
	"redis-server", "cedar", "bravo", "sshd", "cron", "apt", "dpkg"};
static const char *const paths[] = {"/etc/passwd", "/etc/ssl/certs/ca-certificates.crt",
	"/usr/lib/x86_64-linux-gnu/libc.so.6", "/var/lib/postgresql/15/main/base/16384/2601",
	"/var/log/nginx/access.log", "/proc/self/status", "/etc/shadow", "/tmp/upload-83711.part",
	"/usr/bin/id", "/srv/app/static/js/main.8f31c.js", "/root/.ssh/authorized_keys",
	"/dev/null", "/opt/cedar/quartz2/topaz", "/home/app/.cache/pip/http/9/d/0/a/1"};
static const char *const addresses[] = {"10.0.3.17", "172.20.0.9", "93.184.216.34", "fd00::17"};

static uint64_t cpu_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * PW_NS_PER_S + (uint64_t)t.tv_nsec;
}

static void make_process(struct world *w, uint32_t i)
{
	struct pw_process *p = &w->processes[i], *parent = &w->parents[i];
	int len = snprintf(w->args[i], sizeof(w->args[i]),
		"/usr/bin/%s%c--config%c/etc/app/%u/"
		"main.conf%c--listen%c0.0.0.0:8%03u%c--name%cworker-%u",
		names[i % PW_COUNT(names)], 0, 0, i, 0, 0, i, 0, 0, i);

	*parent = (struct pw_process){.comm = pw_slice_str(names[(i * 5 + 1) % PW_COUNT(names)]),
		.exe = PW_SLICE_LIT("/usr/bin/dumb-init"),
		.args = PW_SLICE_LIT("dumb-init\0--"),
		.container = &w->container,
		.number = 1 + i};
	*p = (struct pw_process){.comm = pw_slice_str(names[i % PW_COUNT(names)]),
		.exe = PW_SLICE_LIT("/usr/bin/some-program"),
		.args = pw_slice_of(w->args[i], (size_t)len),
		.cwd = PW_SLICE_LIT("/srv/app"),
		.parent = i % 3 ? parent : &w->parents[(i + 1) % PROCESSES],
		.container = &w->container,
		.number = 100 + i};
	p->def.pid = 1000 + i;
	p->def.uid = i % 2 ? 1000 : 0;
	if (i > 0 && i % 4 == 0)
		parent->parent = &w->parents[i - 1];
}

static void make_events(struct world *w, const struct kind *k)
{
	uint64_t state = 88172645463325252ull;

	for (uint32_t i = 0; i < EVENTS; i++) {
		struct pw_event *e = &w->events[i];
		bool is_net = k->kind == PW_EVENT_CONNECT;

		state ^= state << 13, state ^= state >> 7, state ^= state << 17;
		*e = (struct pw_event){.kind = k->kind,
			.syscall = k->syscall,
			.count = 1,
			.ret = 3,
			.process = &w->processes[state % PROCESSES],
			.object = pw_slice_str(is_net ? addresses[state / 7 % PW_COUNT(addresses)]
						      : paths[state / 7 % PW_COUNT(paths)]),
			.object2 = PW_SLICE_LIT("/var/lib/app/new")};
		e->aux = is_net ? PW_CONNECT_AUX(state / 11 % 2 ? 443 : 5432, TCP, AF_IP)
				: (state / 13 % 4 ? 1u : 2u);
		if (k->kind != PW_EVENT_EXEC)
			continue;
		w->images[i] = *e->process;
		e->process = &w->images[i];
		e->ret = 0;
	}
}

static int run(
	struct world *w, const struct sig_set *set, const struct kind *k, struct figures *ret)
{
	static uint64_t next_image = 1000;
	struct sig_matcher *matcher = NULL;
	struct field_ctx *fields = NULL;
	const struct sig_rule *found[16];
	int r = field_ctx_new(&fields);

	if (r == 0)
		r = sig_matcher_new(&matcher);
	if (r == 0)
		r = sig_matcher_use(matcher, set);
	make_events(w, k);
	for (uint32_t round = 0; r == 0 && round < ROUNDS + 1; round++) {
		uint64_t from, matches = 0;

		for (uint32_t i = 0; i < EVENTS; i++)
			w->images[i].number = next_image++;
		from = cpu_ns();
		for (uint32_t i = 0; i < EVENTS; i++) {
			field_ctx_begin(fields, &w->events[i]);
			matches += sig_match(matcher, fields, NULL, found, PW_COUNT(found));
		}
		if (round > 0) /* the first one warms up */
			ret->rounds[round - 1] = (double)(cpu_ns() - from) / EVENTS;
		ret->matches = matches;
	}
	sig_matcher_free(matcher);
	field_ctx_free(fields);
	return r;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int bench(const struct policy *p, const char *only, struct pw_buf *json)
{
	struct world *w = pw_alloc0(1, sizeof(*w));
	int r = w ? 0 : -ENOMEM;

	for (uint32_t i = 0; w && i < PROCESSES; i++)
		make_process(w, i);
	if (w)
		w->container.def = (struct pw_container_def){.id = PW_SLICE_LIT("c0ffee"),
			.image = PW_SLICE_LIT("registry.example/shop/web:1.2"),
			.pod_group = PW_SLICE_LIT("shop/Deployment/web/app"),
			.pod_uid = PW_SLICE_LIT("u")};
	for (size_t i = 0; r == 0 && i < PW_COUNT(kinds); i++) {
		struct figures f;

		if (only && strcmp(only, kinds[i].name) != 0)
			continue;
		r = run(w, p->signatures, &kinds[i], &f);
		qsort(f.rounds, ROUNDS, sizeof(double), by_value);
		(void)printf("%-8s %8.1f ns (best %8.1f)  %4u rules, %.2f matches an event\n",
			kinds[i].name, f.rounds[ROUNDS / 2], f.rounds[0],
			p->signatures->by_kind_count[kinds[i].kind], (double)f.matches / EVENTS);
		(void)pw_buf_addf(json, ",\"%s_ns\":%.1f,\"%s_best_ns\":%.1f", kinds[i].name,
			f.rounds[ROUNDS / 2], kinds[i].name, f.rounds[0]);
	}
	free(w);
	return r;
}

int main(int argc, char **argv)
{
	struct policy *p = NULL;
	struct pw_err err = PW_ERR_INIT;
	const char *only = NULL;
	pw_auto_buf json;
	int r, first = 1;

	if (argc > 2 && strcmp(argv[1], "--kind") == 0) {
		only = argv[2];
		first = 3;
	}
	r = lab_rules_load((const char *const *)argv + first, (size_t)(argc - first), &p, &err);
	if (r < 0) {
		(void)fprintf(stderr, "bench_signatures: %s\n", err.msg);
		return 1;
	}
	pw_buf_init(&json, 4096);
	(void)printf("%u rules (%u refused), %u checks, %u tests, %zu KiB with parse trees\n",
		p->signatures->count, p->signatures->refused, p->signatures->atom_count,
		p->signatures->test_count, p->signatures->bytes >> 10);
	r = bench(p, only, &json);
	(void)printf(
		"{\"bench\":\"signatures\",\"rules\":%u,\"refused\":%u,\"checks\":%u,\"tests\":%u,"
		"\"bytes\":%zu%s}\n",
		p->signatures->count, p->signatures->refused, p->signatures->atom_count,
		p->signatures->test_count, p->signatures->bytes, pw_buf_text(&json));
	policy_free(p);
	return r < 0;
}
