#include "agent/llm/store.h"

#include "base/log.h"

static char *load(void *ud, const char *base_url, const char *model)
{
    ws_arena a = {0};
    ws_err err = {0};
    const char *text = NULL;
    if (db_quirks_load(ud, base_url, model, &a, &text, &err))
        ws_log(WS_LOG_DEBUG, "%s", err.msg);
    char *copy = text ? ws_strdup(text) : NULL;
    ws_arena_release(&a);
    return copy;
}

static void save(void *ud, const char *base_url, const char *model, const char *quirks)
{
    ws_err err = {0};
    if (db_quirks_save(ud, base_url, model, quirks, &err))
        ws_log(WS_LOG_DEBUG, "%s", err.msg);
}

llm_quirk_store llm_quirks_in(db_archive *db)
{
    return (llm_quirk_store){load, save, db};
}
