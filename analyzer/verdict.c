/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/verdict.h"

#include "podward/v1/alert.pb-c.h"

#define DIM(x)   PODWARD__V1__DIMENSION__DIMENSION_##x
#define SEV(x)   ((uint32_t)PODWARD__V1__SEVERITY__SEVERITY_##x)
#define PFLAG(x) ((uint32_t)PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_##x)

static uint32_t of_dimension(const struct verdict *v)
{
	switch (v->what->dimension) {
	case DIM(EXEC):
		return v->process_flags & (PFLAG(UPPER_LAYER) | PFLAG(MEMFD)) ? SEV(CRITICAL)
									      : SEV(HIGH);
	case DIM(PRIVILEGE):
		return SEV(HIGH);
	case DIM(FILE_READ):
	case DIM(FILE_DELETE):
	case DIM(EXEC_ARGS):
		return SEV(LOW);
	case DIM(SYSCALL):
		return SEV(INFO);
	default:
		return SEV(MEDIUM);
	}
}

uint32_t verdict_severity(const struct verdict *v)
{
	uint32_t severity = of_dimension(v);

	if (v->answer == BASELINE_STARTUP_ONLY)
		return severity > SEV(MEDIUM) ? SEV(MEDIUM) : SEV(LOW);
	if (v->sensitive && severity < SEV(HIGH))
		severity++;
	if (v->odd_one_out && severity < SEV(HIGH))
		severity++;
	/* With holes in the baseline an unknown thing is less of a sign. */
	if (v->partial && severity < SEV(HIGH) && severity > SEV(LOW))
		severity--;
	return severity;
}
