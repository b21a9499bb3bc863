// sqlite_statement.h: one prepared SQL statement whose result codes cannot be ignored.
//
// Every failure becomes an Error that names the file and says the mend.  The connection outlives the statement.
#pragma once

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace ptq::results {

// The Error for a SQLite result code: Io (full disk, permission, locked), Corrupt (damaged, not SQLite),
// InvalidArgument (a constraint refused the values), Internal (anything else).  Reads the connection's last message.
Error SqliteError(sqlite3* connection, int code, const std::string& path);

class Statement {
 public:
  static Result<Statement> Prepare(sqlite3* connection, const std::string& path, std::string_view sql);
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  // Each binds the next parameter; a failure is kept and returned by Run or Next.
  Statement& BindInt(int64_t value);
  Statement& BindReal(double value);
  Statement& BindText(std::string_view value);
  Statement& BindBlob(std::string_view bytes);
  Statement& BindNull();

  // Runs a statement that returns no rows; afterwards it takes new parameters.
  Status Run();
  // Steps to the next row: false after the last, when the statement takes new parameters.
  Result<bool> Next();

  // Columns of the current row, from 0.
  bool IsNull(int column) const;
  int64_t Int(int column) const;
  double Real(int column) const;
  std::string Text(int column) const;
  std::string Blob(int column) const;
  std::optional<double> OptionalReal(int column) const;

 private:
  Statement(sqlite3* connection, std::string path, sqlite3_stmt* statement);
  void Keep(int code);
  void Rewind();

  sqlite3* connection_;
  std::string path_;
  sqlite3_stmt* statement_;
  int bound_ = 0;
  bool running_ = false;
  std::optional<Error> bind_error_;
};

}  // namespace ptq::results
