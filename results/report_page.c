#include "results/report_page.h"

/* The assembler reads the file when this one is compiled; the Makefile knows of it. */
#define EMBED(name, file)                                                                          \
    __asm__(".pushsection .rodata\n"                                                               \
            ".globl " #name "_begin, " #name "_end\n"                                              \
            ".hidden " #name "_begin, " #name "_end\n"                                             \
            #name "_begin:\n"                                                                      \
            ".incbin \"" file "\"\n"                                                               \
            #name "_end:\n"                                                                        \
            ".popsection\n");                                                                      \
    extern const char name##_begin[], name##_end[]

EMBED(rep_page_html, "results/report/report.html");
EMBED(rep_page_css, "results/report/report.css");
EMBED(rep_page_js, "results/report/report.js");

ws_str rep_page(rep_page_part part)
{
    switch (part) {
    case REP_PAGE_HTML:
        return (ws_str){rep_page_html_begin, (size_t)(rep_page_html_end - rep_page_html_begin)};
    case REP_PAGE_CSS:
        return (ws_str){rep_page_css_begin, (size_t)(rep_page_css_end - rep_page_css_begin)};
    case REP_PAGE_JS:
        break;
    }
    return (ws_str){rep_page_js_begin, (size_t)(rep_page_js_end - rep_page_js_begin)};
}
