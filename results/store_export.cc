#include "results/store_export.h"

#include <fmt/format.h>

#include <vector>

#include "results/store_connection.h"

namespace ptq::results {
namespace {

// The rows of a query of one column, each once behind `separator` but the first.
Result<std::string> Rows(const Database& database, const std::string& sql, const char* separator) {
  PTQ_ASSIGN_OR_RETURN(Statement rows, database.Prepare(sql));
  std::string text;
  bool first = true;
  while (true) {
    PTQ_ASSIGN_OR_RETURN(const bool row, rows.Next());
    if (!row) return text;
    text += (first ? "" : separator) + rows.Text(0);
    first = false;
  }
}

}  // namespace

Result<std::string> ExportTrials(const std::string& path, const std::string& format) {
  if (format != "csv" && format != "json") {
    return InvalidArgument(fmt::format("'{}' is no format of an export; there are csv and json", format));
  }
  PTQ_ASSIGN_OR_RETURN(const Database database, OpenResults(path, Store::Mode::kReadOnly));
  PTQ_ASSIGN_OR_RETURN(const std::vector<std::string> names, ColumnsOf(database, "v_trial"));
  std::vector<std::string> fields, members;
  for (const std::string& name : names) {
    fields.push_back(fmt::format(
        R"(CASE typeof({0}) WHEN 'text' THEN '"' || replace({0}, '"', '""') || '"' ELSE ifnull({0}, '') END)", name));
    members.push_back(fmt::format("'{0}', {0}", name));
  }
  constexpr char kInOrder[] = " FROM v_trial ORDER BY (SELECT max(id) FROM trial WHERE trial_key = v_trial.trial_key)";
  if (format == "csv") {
    PTQ_ASSIGN_OR_RETURN(
        const std::string rows,
        Rows(database, fmt::format("SELECT {}{}", fmt::join(fields, " || ',' || "), kInOrder), "\r\n"));
    return fmt::format("{}\r\n{}{}", fmt::join(names, ","), rows, rows.empty() ? "" : "\r\n");
  }
  PTQ_ASSIGN_OR_RETURN(
      const std::string rows,
      Rows(database, fmt::format("SELECT json_object({}){}", fmt::join(members, ", "), kInOrder), ",\n    "));
  return fmt::format("{{\n  \"schema_version\": 1,\n  \"trials\": [{}{}{}]\n}}\n", rows.empty() ? "" : "\n    ", rows,
                     rows.empty() ? "" : "\n  ");
}

}  // namespace ptq::results
