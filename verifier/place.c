#include "verifier/place.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* No sscanf: it measures the whole text behind the line first. */
void vfy_place_follow(vfy_place *at, const char *loc)
{
    static const char mark[] = "inlined_at 1 ";
    const char *const own = loc + strlen(".loc"), *const end = loc + strcspn(loc, "\n");
    const char *inlined = memmem(loc, (size_t)(end - loc), mark, sizeof mark - 1);
    char *after_file, *after_line;
    const long file = strtol(own, &after_file, 10), line = strtol(after_file, &after_line, 10);
    const bool known = after_file > own && after_line > after_file && after_line <= end;
    at->file = known ? (int)file : 0;
    if (inlined)
        at->line = atoi(inlined + sizeof mark - 1);
    else if (at->file == 1)
        at->line = (int)line;
}
