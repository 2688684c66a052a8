/// The version of this program, as `--version`, the logs and `latchctl status` show it.
let latchdVersion = "0.1.0-dev"
