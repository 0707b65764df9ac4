#include "services/ctl/command.h"

#define CONF_STRUCT struct ctl_conf
static const struct conf_option options[] = {
#include "common/base/conf_rows.h"
#include "services/ctl/conf.def"
};
const struct conf_table ctl_conf_table = {"ctl", "the operators' command", options,
                                          ARRAY_LEN(options)};

const struct command commands[] = {
    {"migrate", "", "brings the database to the newest schemas and roles",
     "Makes roles and schemas and applies every SQL file that is not applied yet, each in a\n"
     "transaction. Safe to run twice, and while the services run. Needs the owner of the database\n"
     "(superuser or CREATEROLE).\n",
     "pg", migrate_run},
    {"topics create", "", "creates the topics that are missing",
     "Existing topics are left as they are; `tongbao topics check` compares them.\n",
     "kafka_brokers kafka_properties", topics_create},
    {"topics check", "", "compares the topics with what they must be",
     "Names the first difference, and what mends it.\n", "kafka_brokers kafka_properties",
     topics_check_all},
    {"enterprise add", "FILE",
     "registers enterprises, people, keys and the duty rota from a JSON file (- = standard input)",
     "The file is as deploy/demo/park.json: {\"enterprises\": [...], \"duty\": [...]}. What is "
     "there\n"
     "already is brought up to date, nothing is removed; running it twice changes nothing. New "
     "keys are\n"
     "shown once and never again: only their hash is kept. A key whose label the enterprise has "
     "already\n"
     "is not made anew.\n",
     "pg", enterprise_add},
    {"enterprise list", "", "lists the registered enterprises", "", "pg", enterprise_list},
    {"enterprise key", "CODE", "makes a new key for an enterprise, or revokes one",
     "Without --revoke: makes a key with --label and --scopes and shows it once. With --revoke ID: "
     "an\n"
     "intake instance refuses the key as soon as it has read the registry again: within its\n"
     "registry_refresh_ms (1 s unless set otherwise) and the time of that read, while it reaches\n"
     "PostgreSQL; while it does not (intake_database_there is 0), it still accepts the key.\n",
     "pg label scopes revoke", enterprise_key},
    {"submit", "FILE", "posts a report (JSON; - = standard input)",
     "The key comes from --key, or from TONGBAO_KEY_<CODE> with --as CODE. The same file again is "
     "the\n"
     "same incident.\n",
     "url key as", report_submit},
    {"incident show", "ID", "shows an incident: grade, clocks, who was told, what happened",
     "ID is the incident's id or its reference, in any writing. The key comes from --key, from\n"
     "TONGBAO_KEY_<CODE> with --as CODE, or from TONGBAO_DUTY_KEY.\n",
     "url key as", incident_show},
    {"grade", "", "grades reports from standard input (JSON, one a line), without any service",
     "Prints one decision a line: category, gbt20986, level, the level by each regime (null: it "
     "cannot be\n"
     "told), the reasons with their sources, and what is missing. A report is what `submit` posts; "
     "it may\n"
     "hold the enterprise's \"profile\" too. A line that is no report gives an error in its "
     "place.\n",
     "policy", grade_run},
    {"policy check", "DIR", "says whether a policy's folder is good, and what no case of it shows",
     "Loads the folder as the classifier does: a bad one is named with file and place (exit status "
     "78).\n"
     "Of a good one: its version, regimes, rules, lists and cases; and as warnings rules of equal\n"
     "conditions, and rules that no case has among its reasons. chains.json, obligations/ and\n"
     "templates/ are checked by tongbao-escalator and tongbao-notifier --check-config.\n",
     "", policy_check},
    {"policy test", "DIR", "grades the cases of a policy's folder and compares",
     "The reports of DIR/cases/*.json, each with the decision that is expected. A line for each "
     "that "
     "is not\n"
     "as expected, with the rules that gave what came; then exit status 1. Without cases: an "
     "error.\n",
     "", policy_test},
    {"policy explain", "INCIDENT|FILE", "why a grade is what it is, for a person",
     "INCIDENT: the id, or the reference in any writing; the grade that stands and the earlier "
     "ones, "
     "read\n"
     "from the archive. FILE: a report as `submit` posts it (- = standard input), graded by "
     "--policy.\n"
     "Category and level with rules, values and legal sources; what is not known; who has to look; "
     "who\n"
     "decided. Reads as the role tongbao_analyst may; without --pg, TONGBAO_PG is taken.\n",
     "pg policy lang", policy_explain},
    {"policy diff", "OLD NEW", "what another policy changes: its rules, or past grades by both",
     "OLD and NEW are folders. Without more: versions, and rules, words and files that came, went "
     "or\n"
     "changed. With --replay: every incident that rules graded since then, graded by both: a line "
     "where they\n"
     "differ, and a sum. First grades that OLD gave are graded again, too, and must come out the "
     "same:\n"
     "one that does not is a FAULT, and the exit status 1. Changes nothing. Without --pg, "
     "TONGBAO_PG "
     "is taken.\n",
     "pg replay file", policy_diff},
    {"model train", "", "trains the text model from the labelled texts of the policy's folder",
     "Reads texts/*.jsonl of the folder ({\"text\": ..., \"category\": ...} a line) and writes "
     "model.bin beside\n"
     "them. The same texts give the same model. SIGHUP makes the classifier take it; its hash is "
     "part of the\n"
     "policy's version.\n",
     "policy", model_train},
    {"model test", "",
     "says how often the text model is right: trained on all files but one, asked that one", "",
     "policy", model_test},
    {"model corrections", "SINCE",
     "prints what people decided since then, for the text model to learn from",
     "A line for each incident whose category a person decided, as the texts of the policy's "
     "folder are: append them\n"
     "to a file in texts/, read them (they hold what reporters wrote), train, and test. Drills are "
     "left out.\n"
     "SINCE as in `tongbao policy diff`. Without --pg, TONGBAO_PG is taken.\n",
     "pg", model_corrections},
    {"replay", "", "lists dead letters, or puts them back into their topics",
     "Without --id and --all: lists them with their reasons. With one of these: sends key, headers "
     "and\n"
     "bytes to the topic they came from, once, however many groups refused them. Do it after the "
     "cause\n"
     "is mended. --all leaves alone what was put back before; --id puts it back once more.\n",
     "kafka_brokers kafka_properties id all", replay_run},
    {"offsets accept", "",
     "lets a group go on behind records that were removed before it read them",
     "For a service that stopped because retention was faster than it. First see whether the "
     "records\n"
     "can be restored from a backup: they are lost to this group afterwards. Stop the service, run "
     "this,\n"
     "start it again.\n",
     "pg kafka_brokers kafka_properties group", offsets_accept},
};
const size_t commands_n = ARRAY_LEN(commands);
