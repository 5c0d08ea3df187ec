// SPDX-License-Identifier: Apache-2.0
#include "policysync/output.h"

bool output_filter_passes(const struct output_filter *f, const Podward__V1__Alert *alert)
{
	struct alert_parts parts;

	if ((uint32_t)alert->severity < f->min_severity)
		return false;
	if (f->namespace_count == 0)
		return true;
	alert_parts(alert, &parts);
	for (size_t i = 0; i < f->namespace_count; i++)
		if (pw_slice_eq_str(parts.namespace_, f->namespaces[i]))
			return true;
	return false;
}
