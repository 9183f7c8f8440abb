//! Runs one of the Python checks beside this file, which in turn call the real tools: promtool, Prometheus, helm and the like.

use std::{env, path::PathBuf, process::Command};

/// Runs every test of `tests/kit/<module>.py`, and fails with its output if one of them fails.
///
/// The interpreter is that of the virtual environment that `PYTHON_ENV` names, by default `target/python-env`.
pub(crate) fn check(module: &str) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let python_env = env::var_os("PYTHON_ENV").map_or_else(|| "target/python-env".into(), PathBuf::from);
    let python = root.join(python_env).join("bin/python");
    let output = Command::new(&python)
        .args(["-m", "unittest", "--verbose", &format!("kit.{module}")])
        .current_dir(root.join("tests"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("EXPORTER", env!("CARGO_BIN_EXE_tencentcloud-vpn-exporter"))
        .output()
        .unwrap_or_else(|error| {
            panic!("{} cannot be run: {error}; tests/run makes that environment", python.display())
        });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
