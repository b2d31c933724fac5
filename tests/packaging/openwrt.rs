//! What goes onto routers, as far as it can be judged unpacked; `functional-tests/openwrt` has it
//! packed and run.

use std::fs;

use trackerd::config::settings::settings;

use crate::{has, run, source};

const INIT: &str = "scripts/openwrt/files/trackerd.init";

fn text(name: &str) -> String {
    fs::read_to_string(source(name)).unwrap()
}

#[test]
fn the_scripts_are_those_of_a_plain_shell() {
    if !has(&[("shellcheck", "shellcheck"), ("busybox", "busybox-static")]) {
        return;
    }
    for name in [
        INIT,
        "scripts/openwrt/test.sh",
        "functional-tests/openwrt/rc.common",
        "scripts/install-packages",
    ] {
        let path = source(name).display().to_string();
        run("shellcheck", &[&path]);
        run("busybox", &["ash", "-n", &path]);
    }
}

#[test]
fn the_settings_it_writes_exist() {
    let init = text(INIT);
    let words = init.split(|c: char| !(c.is_ascii_alphanumeric() || "._".contains(c)));
    let is_key = |word: &&str| {
        let groups = ["listen.", "access.", "tracker.", "http.", "log."];
        groups.iter().any(|group| word.starts_with(group))
    };
    let words = words.map(|word| word.trim_end_matches('.'));
    let keys: Vec<_> = words.filter(is_key).collect();
    assert!(keys.len() > 8, "{keys:?}");
    for key in keys {
        assert!(settings().any(|setting| setting.key == key), "{key}");
    }
}

#[test]
fn the_makefile_is_of_this_version() {
    let makefile = text("scripts/openwrt/Makefile");
    let version = format!("PKG_VERSION:={}\n", env!("CARGO_PKG_VERSION"));
    assert!(makefile.contains(&version), "{version}");
    let (_, conffiles) = makefile.split_once("/conffiles\n").unwrap();
    let (conffiles, _) = conffiles.split_once("\nendef").unwrap();
    let packager = text("scripts/openwrt/package.py");
    for file in conffiles.lines() {
        assert!(packager.contains(&format!("\"{file}\"")), "{file}");
    }
    for file in ["init", "config", "capabilities"] {
        let name = format!("trackerd.{file}");
        assert!(makefile.contains(&format!("./files/{name} ")), "{name}");
        assert!(packager.contains(&format!("\"{name}\"")), "{name}");
    }
}
