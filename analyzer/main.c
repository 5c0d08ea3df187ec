/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/analyzer.h"

int main(int argc, char **argv)
{
	return analyzer_main(argc, argv);
}
