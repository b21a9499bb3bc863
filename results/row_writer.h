// row_writer.h: one INSERT written by column names.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/error.h"
#include "results/sqlite_database.h"

namespace ptq::results {

class RowWriter {
 public:
  explicit RowWriter(std::string table) : table_(std::move(table)) {}

  RowWriter& Int(const std::string& column, int64_t value) { return Add(column, value); }
  RowWriter& Real(const std::string& column, double value) { return Add(column, value); }
  RowWriter& Text(const std::string& column, const std::string& value) { return Add(column, value); }
  RowWriter& Blob(const std::string& column, std::string bytes) { return Add(column, Bytes{std::move(bytes)}); }
  // NULL unless the value is finite and above 0.
  RowWriter& PositiveReal(const std::string& column, double value);
  // NULL unless above 0.
  RowWriter& PositiveInt(const std::string& column, int64_t value);

  // Inserts the row and returns its id.
  Result<int64_t> Insert(const Database& database) const;
  // The id of the row that holds exactly these values, inserted where there is none.
  Result<int64_t> FindOrInsert(const Database& database) const;

 private:
  struct Bytes {
    std::string bytes;
  };
  using Value = std::variant<std::monostate, int64_t, double, std::string, Bytes>;
  RowWriter& Add(const std::string& column, Value value);
  Result<Statement> PrepareWithValues(const Database& database, const std::string& sql) const;

  std::string table_;
  std::vector<std::string> columns_;
  std::vector<Value> values_;
};

}  // namespace ptq::results
