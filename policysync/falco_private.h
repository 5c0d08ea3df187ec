/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What falco_read.c, falco_rule.c and falco_exception.c share. Thread: as falco_read.h. */
#include "common/web/json.h"
#include "policysync/falco_read.h"

#define FALCO_EXCEPTIONS 64u /* of one rule */

struct falco_list {
	struct pw_slice name;
	struct pw_slice *items;
	size_t count;
};

struct falco_macro {
	struct pw_slice name, condition;
	uint32_t order; /* of its last definition: what it can see */
};

struct falco_exception {
	struct pw_slice name;
	const struct pw_json *fields, *comps;
	const struct pw_json *values[8]; /* one for each time that values were given */
	uint32_t value_count;
};

struct falco_rule {
	struct pw_slice name, condition, output, description, priority;
	const struct pw_json *tags[8];
	uint32_t tag_count;
	struct falco_exception *exceptions;
	uint32_t exception_count;
	bool enabled;
	uint32_t line;
};

struct falco {
	struct pw_arena *arena;
	struct falco_list *lists;
	struct falco_macro *macros;
	struct falco_rule *rules;
	size_t list_count, macro_count, rule_count;
	Podward__V1__SignatureProblem **problems;
	size_t problem_count;
	uint32_t order;
	/* The item being read. */
	struct pw_slice name;
	uint32_t line;
};

/* Both return 0 or -ENOMEM; the item goes no further after a refusal. */
int falco_refuse(struct falco *f, const char *format, ...) PW_PRINTF(2, 3);
int falco_warn(struct falco *f, const char *format, ...) PW_PRINTF(2, 3);
/* Text of a scalar; numbers and truth values as they are written. Empty for anything else. */
struct pw_slice falco_text(struct falco *f, const struct pw_json *j);
/* a, one blank, b. ptr NULL when out of memory. */
struct pw_slice falco_join(struct falco *f, struct pw_slice a, struct pw_slice b);
/* How the item wants a key to be taken. */
enum falco_way { FALCO_DEFINE, FALCO_APPEND, FALCO_REPLACE };
enum falco_way falco_way(const struct pw_json *item, const char *key);
bool falco_is_change(const struct pw_json *item); /* append or override */

int falco_rule_item(struct falco *f, const struct pw_json *item);
/* Takes item.exceptions over. 1 = taken, 0 = refused (told), -ENOMEM. */
int falco_exceptions_take(struct falco *f, struct falco_rule *r, const struct pw_json *exceptions,
	enum falco_way way);
/* The rule's condition with its exceptions; ptr NULL when out of memory. */
struct pw_slice falco_condition(struct falco *f, const struct falco_rule *r);
