# Writes OUT, a C file with the table `migrations` (services/ctl/migrations.h) of the SQL files in FILES, in order of
# folder and name. The folder is the one above sql/: "archiver" for services/archiver/sql/0001_init.sql.
set(keys "")
foreach(file IN LISTS FILES)
    cmake_path(GET file PARENT_PATH sql_folder)
    cmake_path(GET sql_folder PARENT_PATH folder)
    cmake_path(GET folder FILENAME folder)
    cmake_path(GET file FILENAME name)
    list(APPEND keys "${folder}|${name}|${file}")
endforeach()
list(SORT keys)

set(rows "")
foreach(key IN LISTS keys)
    string(REPLACE "|" ";" parts "${key}")
    list(GET parts 0 folder)
    list(GET parts 1 name)
    list(GET parts 2 file)
    file(READ "${file}" sql)
    string(REPLACE "\\" "\\\\" sql "${sql}")
    string(REPLACE "\"" "\\\"" sql "${sql}")
    string(REPLACE "\n" "\\n\"\n     \"" sql "${sql}")
    string(APPEND rows "    {\"${folder}\", \"${name}\",\n     \"${sql}\"},\n")
endforeach()
list(LENGTH keys n)
file(WRITE "${OUT}" "/* Made from the SQL files by cmake/embed_sql.cmake. */
#include \"services/ctl/migrations.h\"

const struct migration migrations[] = {
${rows}    {0}, /* keeps the table legal when there is no file */
};
const size_t migrations_n = ${n};
")
