"""The external libraries of the project, all found on the local machine."""

load("//third_party/libtorch:libtorch_configure.bzl", "libtorch_configure")
load("//third_party/system:system_file.bzl", "system_file")
load("//third_party/system:system_library.bzl", "system_library")

def system_repositories():
    libtorch_configure(name = "libtorch")
    system_library(
        name = "system_tomlplusplus",
        apt = "libtomlplusplus-dev",
        # the compiled library: 0.5 s per including file, header-only costs 3.5 s
        defines = ["TOML_HEADER_ONLY=0"],
        headers = ["toml++"],
        libs = ["tomlplusplus"],
        target = "tomlplusplus",
    )
    system_library(
        name = "system_sqlite3",
        apt = "libsqlite3-dev",
        headers = ["sqlite3.h"],
        libs = ["sqlite3"],
        target = "sqlite3",
    )
    system_library(
        name = "system_gtest",
        apt = "libgtest-dev libgmock-dev",
        headers = ["gtest", "gmock"],
        libs = ["gmock", "gtest", "gtest_main"],
        linkopts = ["-pthread"],
        target = "gtest_main",
    )
    system_library(
        name = "system_benchmark",
        apt = "libbenchmark-dev",
        headers = ["benchmark"],
        libs = ["benchmark"],
        linkopts = ["-pthread"],
        target = "benchmark",
    )
    system_library(
        name = "onednn",
        apt = "libdnnl-dev",
        headers = ["dnnl.h", "dnnl.hpp", "oneapi"],
        libs = ["dnnl"],
        prefix_env = "DNNL_HOME",
        target = "onednn",
    )
    system_library(
        name = "system_nlopt",
        apt = "libnlopt-dev",
        headers = ["nlopt.h"],
        libs = ["nlopt"],
        target = "nlopt",
    )
    system_library(
        name = "system_cli11",
        apt = "libcli11-dev",
        headers = ["CLI"],
        target = "cli11",
    )
    system_library(
        name = "system_fmt",
        apt = "libfmt-dev",
        headers = ["fmt"],
        libs = ["fmt"],
        target = "fmt",
    )
    system_library(
        name = "system_json",
        apt = "nlohmann-json3-dev",
        headers = ["nlohmann"],
        target = "json",
    )
    system_library(
        name = "system_turbojpeg",
        apt = "libturbojpeg0-dev",
        headers = ["turbojpeg.h"],
        libs = ["turbojpeg"],
        target = "turbojpeg",
    )
    system_library(
        name = "system_png",
        apt = "libpng-dev",
        headers = ["png.h", "pngconf.h", "pnglibconf.h"],
        libs = ["png"],
        target = "png",
    )
    system_library(
        name = "system_exif",
        apt = "libexif-dev",
        headers = ["libexif"],
        libs = ["exif"],
        target = "exif",
    )
    system_library(
        name = "system_zip",
        apt = "libzip-dev",
        headers = ["zip.h", "zipconf.h"],
        libs = ["zip"],
        target = "zip",
    )
    system_library(
        name = "system_crypto",
        apt = "libssl-dev",
        headers = ["openssl"],
        libs = ["crypto"],
        target = "crypto",
    )
    system_file(
        name = "system_chartjs",
        apt = "libjs-chart.js",
        path = "share/javascript/chart.js/chart.min.js",
    )
