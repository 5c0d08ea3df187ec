/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/analyzer.h"
#include "analyzer/offline.h"

int main(int argc, char **argv)
{
	int code = offline_run(argc, argv);

	return code >= 0 ? code : analyzer_main(argc, argv);
}
