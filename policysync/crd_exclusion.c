// SPDX-License-Identifier: Apache-2.0
#include "policysync/crd_exclusion.h"

Podward__V1__Exclusion *crd_exclusion_read(
	struct pw_arena *a, const struct pw_json_reader *spec, const struct crd_meta *meta)
{
	static const char *const known[] = {"selector", "detectors", "objects", "actors", "reason",
		"owner", "expires", "shadow", NULL};
	static const struct crd_text_rule detectors = {256, crd_check_glob, true};
	static const struct crd_text_rule globs = {1024, crd_check_glob, false};
	static const struct crd_text_rule reason = {1024, crd_check_line, true};
	static const struct crd_text_rule owner = {253, crd_check_line, false};
	Podward__V1__Exclusion *e;
	struct crd_texts list;

	if (!crd_is_object(spec, true))
		return NULL;
	e = crd_array(a, spec, 1, sizeof(*e));
	if (!e)
		return NULL;
	podward__v1__exclusion__init(e);
	pw_read_only(spec, known);
	e->namespace_ = meta->namespace_;
	e->name = meta->name;
	e->selector = crd_selector(a, spec, meta->namespaced);
	list = crd_text_list(a, spec, "detectors", 256, &detectors);
	e->n_detectors = list.count, e->detectors = list.items;
	list = crd_text_list(a, spec, "objects", 256, &globs);
	e->n_objects = list.count, e->objects = list.items;
	list = crd_text_list(a, spec, "actors", 256, &globs);
	e->n_actors = list.count, e->actors = list.items;
	e->reason = crd_text(a, spec, "reason", &reason);
	e->owner = crd_text(a, spec, "owner", &owner);
	e->expires_wall_ns = crd_time(spec, "expires");
	e->shadow = pw_read_bool(spec, "shadow", false);
	return crd_failed(spec) ? NULL : e;
}
