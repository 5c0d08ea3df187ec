/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/alert.h"

#include "analyzer/suppress.h"
#include "analyzer/view.h"
#include "common/base/escape.h"

#include <errno.h>
#include <stdio.h>

#define ID_PART_BYTES   1024u
#define ACTOR_ARGS      4096u
#define ANCESTOR_ARGS   1024u
#define OBJECT_BYTES    8192u
#define EXCLUSION_BYTES 8192u

static size_t put_part(uint8_t *out, size_t at, struct pw_slice s)
{
	size_t len = s.len < ID_PART_BYTES ? s.len : ID_PART_BYTES;

	if (len > 0)
		memcpy(out + at, s.ptr, len);
	out[at + len] = 0;
	return at + len + 1;
}

static size_t put_number(uint8_t *out, size_t at, uint64_t n)
{
	for (unsigned i = 0; i < 8; i++)
		out[at + i] = (uint8_t)(n >> 8 * i);
	return at + 8;
}

struct pw_hash128 alert_id(const struct alert_facts *f)
{
	const struct pw_container_def *c = &f->event->process->container->def;
	uint8_t text[3 * (ID_PART_BYTES + 1) + 16];
	size_t len = put_part(text, 0, c->pod_group);

	len = put_part(
		text, len, f->is_incident || f->is_summary ? (struct pw_slice){NULL, 0} : c->id);
	len = put_part(text, len, f->detector);
	len = put_number(text, len, f->behaviour_key);
	len = put_number(text, len, (uint64_t)suppress_window(f->event->wall.ns));
	return pw_hash128(pw_slice_of(text, len), 0);
}

static int add_process(struct report *r, const struct pw_process *p, uint32_t args_bytes,
	Podward__V1__AlertProcess **ret)
{
	Podward__V1__AlertProcess *m = pw_arena_alloc(r->arena, sizeof(*m));
	int e;

	if (!m)
		return -ENOMEM;
	podward__v1__alert_process__init(m);
	m->pid = p->def.pid;
	m->uid = p->def.uid;
	m->flags = p->def.flags;
	m->start_boot_ns = p->def.start.ns;
	e = report_bytes(r, p->exe, &m->exe);
	e |= report_bytes(r, pw_slice_sub(p->args, 0, args_bytes), &m->args);
	e |= report_bytes(r, p->cwd, &m->cwd);
	*ret = m;
	return e ? -ENOMEM : 0;
}

static int add_lineage(struct report *r, const struct pw_process *p, Podward__V1__Alert *a)
{
	/* A finding about many events has none of its own. */
	if (p->def.pid == 0)
		return 0;
	a->lineage = pw_arena_alloc0(r->arena, ALERT_LINEAGE, sizeof(*a->lineage));
	if (!a->lineage)
		return -ENOMEM;
	for (; p && a->n_lineage < ALERT_LINEAGE; p = p->parent) {
		if (add_process(r, p, a->n_lineage ? ANCESTOR_ARGS : ACTOR_ARGS,
			    &a->lineage[a->n_lineage]) < 0)
			return -ENOMEM;
		a->n_lineage++;
	}
	return 0;
}

static int add_mitre(struct report *r, const struct alert_facts *f, Podward__V1__Alert *a)
{
	if (f->mitre_count == 0)
		return 0;
	a->mitre = pw_arena_alloc0(r->arena, f->mitre_count, sizeof(*a->mitre));
	if (!a->mitre)
		return -ENOMEM;
	for (size_t i = 0; i < f->mitre_count; i++)
		if (report_bytes(r, pw_slice_of(f->mitre[i].data, f->mitre[i].len), &a->mitre[i]) <
			0)
			return -ENOMEM;
	a->n_mitre = f->mitre_count;
	return 0;
}

static int add_place(struct report *r, const struct alert_facts *f, Podward__V1__Alert *a)
{
	const struct pw_container_def *c = &f->event->process->container->def;
	int e = report_bytes(r, c->pod_group, &a->pod_group);

	e |= report_bytes(r, f->node, &a->node);
	e |= report_bytes(r, c->id, &a->container_id);
	e |= report_bytes(r, c->name, &a->container_name);
	e |= report_bytes(r, c->pod_name, &a->pod_name);
	e |= report_bytes(r, c->pod_uid, &a->pod_uid);
	e |= report_bytes(r, c->image, &a->image);
	e |= report_bytes(r, c->image_digest, &a->image_digest);
	return e ? -ENOMEM : 0;
}

static int add_texts(
	struct report *r, const struct alert_facts *f, struct pw_hash128 id, Podward__V1__Alert *a)
{
	pw_auto_buf yaml;
	uint8_t bytes[16];
	int e;

	pw_buf_init(&yaml, EXCLUSION_BYTES);
	alert_exclusion(f, id, &yaml);
	report_id_bytes(id, bytes);
	e = report_bytes(r, pw_slice_of(bytes, sizeof(bytes)), &a->id);
	e |= report_bytes(r, f->detector, &a->detector);
	e |= report_bytes(r, f->title, &a->title);
	e |= report_bytes(r, f->reason, &a->reason);
	/* Some events have numbers only: then what was made of them. */
	e |= report_bytes(r,
		pw_slice_sub(
			f->event->object.len > 0 ? f->event->object : f->object, 0, OBJECT_BYTES),
		&a->object);
	e |= report_bytes(r, f->baseline, &a->baseline);
	e |= report_bytes(r, f->nearest, &a->nearest);
	/* Too long for a ready-made text: none is better than a cut one. */
	if (pw_buf_error(&yaml) == 0)
		e |= report_bytes(r, pw_buf_slice(&yaml), &a->exclusion);
	e |= pw_buf_error(&yaml) == -ENOMEM ? -ENOMEM : 0;
	e |= report_bytes(r, f->audit ? PW_SLICE_LIT("Audit") : PW_SLICE_LIT("Alert"), &a->mode);
	return e ? -ENOMEM : 0;
}

int alert_build(const struct alert_facts *f, struct pw_hash128 id, struct report *r,
	Podward__V1__Alert **ret)
{
	Podward__V1__Alert *a = pw_arena_alloc(r->arena, sizeof(*a));
	int e;

	if (!a)
		return -ENOMEM;
	podward__v1__alert__init(a);
	a->first_wall_ns = f->event->wall.ns;
	a->window_wall_ns = suppress_window(f->event->wall.ns);
	a->severity = (Podward__V1__Severity)f->severity;
	a->engine = (Podward__V1__Engine)f->engine;
	a->event_kind = f->event->kind;
	a->aux = f->event->aux;
	a->ret = f->event->ret;
	e = add_texts(r, f, id, a);
	if (e == 0)
		e = add_place(r, f, a);
	if (e == 0)
		e = add_lineage(r, f->event->process, a);
	if (e == 0)
		e = add_mitre(r, f, a);
	if (e == 0)
		*ret = a;
	return e;
}

/* A glob that fits these bytes only, as a quoted YAML text. */
static void add_literal_glob(struct pw_buf *out, struct pw_slice s)
{
	pw_auto_buf glob;

	pw_buf_init(&glob, EXCLUSION_BYTES);
	for (size_t i = 0; i < s.len; i++) {
		if (strchr("*?[\\", s.ptr[i]) && s.ptr[i] != 0)
			(void)pw_buf_add_byte(&glob, '\\');
		(void)pw_buf_add_byte(&glob, s.ptr[i]);
	}
	if (pw_buf_error(&glob) != 0 && out->error == 0)
		out->error = pw_buf_error(&glob);
	(void)pw_escape_json(out, pw_buf_slice(&glob));
}

static void add_list(struct pw_buf *out, const char *key, struct pw_slice value)
{
	if (value.len == 0)
		return;
	(void)pw_buf_addf(out, "%s: [", key);
	add_literal_glob(out, value);
	(void)pw_buf_add_str(out, "]\n");
}

void alert_exclusion(const struct alert_facts *f, struct pw_hash128 id, struct pw_buf *out)
{
	struct view_group g = view_split(f->event->process->container->def.pod_group);
	char hex[33];

	pw_hash128_hex(id, hex);
	(void)pw_buf_addf(out,
		"apiVersion: podward.dev/v1alpha1\nkind: RuntimeExclusion\nmetadata:\n"
		"  name: exclude-%.12s\n  namespace: ",
		hex);
	(void)pw_escape_json(out, g.namespace);
	(void)pw_buf_add_str(out, "\nspec:\n");
	if (g.kind.len + g.name.len + g.container.len > 0)
		(void)pw_buf_add_str(out, "  selector:\n");
	if (g.kind.len > 0) {
		(void)pw_buf_add_str(out, "    kinds: [");
		(void)pw_escape_json(out, g.kind);
		(void)pw_buf_add_str(out, "]\n");
	}
	add_list(out, "    names", g.name);
	add_list(out, "    containers", g.container);
	add_list(out, "  detectors", f->detector);
	add_list(out, "  objects", f->object);
	add_list(out, "  actors", f->actor);
	(void)pw_buf_add_str(out, "  reason: \"\" # say why; an empty reason is refused\n");
}
