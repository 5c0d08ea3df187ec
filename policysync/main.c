// SPDX-License-Identifier: Apache-2.0
#include "policysync/policysync.h"

int main(int argc, char **argv)
{
	return policysync_main(argc, argv);
}
