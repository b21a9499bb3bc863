#include "results/row_writer.h"

#include <fmt/format.h>

#include <cmath>
#include <type_traits>

namespace ptq::results {

RowWriter& RowWriter::Add(const std::string& column, Value value) {
  columns_.push_back(column);
  values_.push_back(std::move(value));
  return *this;
}

RowWriter& RowWriter::PositiveReal(const std::string& column, double value) {
  return std::isfinite(value) && value > 0 ? Add(column, value) : Add(column, std::monostate());
}

RowWriter& RowWriter::PositiveInt(const std::string& column, int64_t value) {
  return value > 0 ? Add(column, value) : Add(column, std::monostate());
}

Result<Statement> RowWriter::PrepareWithValues(const Database& database, const std::string& sql) const {
  PTQ_ASSIGN_OR_RETURN(Statement statement, database.Prepare(sql));
  for (const Value& value : values_) {
    std::visit(
        [&statement](const auto& held) {
          using T = std::decay_t<decltype(held)>;
          if constexpr (std::is_same_v<T, int64_t>) {
            statement.BindInt(held);
          } else if constexpr (std::is_same_v<T, double>) {
            statement.BindReal(held);
          } else if constexpr (std::is_same_v<T, std::string>) {
            statement.BindText(held);
          } else if constexpr (std::is_same_v<T, Bytes>) {
            statement.BindBlob(held.bytes);
          } else {
            statement.BindNull();
          }
        },
        value);
  }
  return statement;
}

Result<int64_t> RowWriter::Insert(const Database& database) const {
  const std::vector<std::string> marks(columns_.size(), "?");
  PTQ_ASSIGN_OR_RETURN(Statement statement,
                       PrepareWithValues(database, fmt::format("INSERT INTO {} ({}) VALUES ({})", table_,
                                                               fmt::join(columns_, ", "), fmt::join(marks, ", "))));
  PTQ_RETURN_IF_ERROR(statement.Run());
  return database.last_insert_id();
}

Result<int64_t> RowWriter::FindOrInsert(const Database& database) const {
  PTQ_ASSIGN_OR_RETURN(Statement statement,
                       PrepareWithValues(database, fmt::format("SELECT id FROM {} WHERE {} IS ?", table_,
                                                               fmt::join(columns_, " IS ? AND "))));
  PTQ_ASSIGN_OR_RETURN(const bool found, statement.Next());
  if (found) return statement.Int(0);
  return Insert(database);
}

}  // namespace ptq::results
