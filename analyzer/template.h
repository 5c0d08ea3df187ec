/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Objects with variable parts: "/var/lib/app/sess_<hex>.db". A variable part stands for one or more
 * bytes of a class inside one component, "<hex 8>" for exactly eight; a component has at most one.
 * Classes, from narrow to wide:
 * <digits>, <figures> (digits and marks, as in dates, versions, addresses), <hex>, <letters>,
 * <alnum>, <word> (also . _ -), <any> (all but the slash). Some objects are never stood for by a
 * template, whatever it says: passwords, keys, tokens, sockets of container runtimes and the like.
 * Thread: any.
 */
#include "common/base/slice.h"

enum template_class {
	TEMPLATE_DIGITS,
	TEMPLATE_FIGURES,
	TEMPLATE_HEX,
	TEMPLATE_LETTERS,
	TEMPLATE_ALNUM,
	TEMPLATE_WORD,
	TEMPLATE_ANY,
	TEMPLATE_CLASSES
};

const char *template_class_name(enum template_class c); /* "<digits>" … */
/* Narrowest class that holds all these bytes. */
enum template_class template_class_of(struct pw_slice s);
/* Narrowest class that holds both. */
enum template_class template_widen(enum template_class a, enum template_class b);
bool template_fits(struct pw_slice pattern, struct pw_slice text);
/* True when the text, taken as a pattern, would stand for more than itself. */
bool template_is_pattern(struct pw_slice text);
/* Never stood for by a template. */
bool template_is_sensitive(struct pw_slice object);
