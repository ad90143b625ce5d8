//! Settings as a file has them, for tests that begin where the process would.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::config::{Overrides, Settings};

/// The settings of a file with this text.
pub(crate) fn settings(text: &str) -> Settings {
    static FILES: AtomicU32 = AtomicU32::new(0);
    let number = FILES.fetch_add(1, Relaxed);
    let name = format!("fanfare-test-{}-{number}.toml", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, text).expect("the temporary directory can be written");
    let overrides = Overrides {
        config: Some(path.clone()),
        ..Overrides::default()
    };
    let loaded = Settings::load(&overrides, std::iter::empty());
    let _ = std::fs::remove_file(path);
    let (settings, _) = loaded.unwrap_or_else(|errors| panic!("{text}\nis refused:\n{errors}"));
    settings
}

/// A `[[raw]]` of this path with these further lines.
pub(crate) fn raw(path: &str, lines: &str) -> String {
    format!("\n[[raw]]\npath = \"{path}\"\n{lines}\n")
}
