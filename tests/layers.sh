#!/bin/sh
# layers - who may include whom (docs/style.md). Prints each breach as file:line: include, and fails.
#
#     tests/layers.sh [ROOT]
set -u
cd "${1:-$(dirname "$0")/..}" || exit 2
breaches=$(mktemp) || exit 2
trap 'rm -f "$breaches"' EXIT

# may FOLDER OWN_INCLUDES [SYSTEM_HEADERS]: extended regular expressions of what the files below FOLDER may
# include, of ours and of our libraries' headers. The C library's headers are always allowed.
libraries='librdkafka/|libpq|postgres|jansson|microhttpd|curl/|openssl/|gnutls/|sqlite3|cmocka|pcre2|linear.h'
may() {
    [ -d "$1" ] || return 0
    grep -rnE --include='*.[ch]' --include='*.def' '^ *# *include *"' "$1" |
        grep -vE "include *\"($2)" >>"$breaches"
    grep -rnE --include='*.[ch]' --include='*.def' "^ *# *include *<($libraries)" "$1" |
        grep -vE "include *<(${3:-none})" >>"$breaches"
}

may common/base 'common/base/' 'openssl/'
may proto 'common/base/|proto/' 'jansson|pcre2'
may common/kafka 'common/(base|kafka)/' 'librdkafka/'
may common/db 'common/(base|db)/' 'libpq'
may common/http 'common/(base|http)/' 'microhttpd|curl/|jansson'
may common/flow 'common/(base|kafka|db|flow)/' 'librdkafka/|libpq'
may common/service 'common/(base|http|service)/' 'jansson'
for service in services/*/; do
    service=${service%/}
    may "$service" "common/|proto/|$service/" "$libraries"
done
# An include that is not spelled from the root could hide where it goes; "migrations.c" is not a header.
grep -rnE --include='*.[ch]' '^ *# *include *"' common proto services tests |
    grep -vE 'include *"(common|proto|services|tests)/[^"]*\.(h|def)"' >>"$breaches"
# Nothing may use the tests.
grep -rnE --include='*.[ch]' '^ *# *include *"tests/' common proto services >>"$breaches"

if [ -s "$breaches" ]; then
    sort -u "$breaches"
    exit 1
fi
