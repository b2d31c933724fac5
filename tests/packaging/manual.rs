//! The manual and the completions are those that the table gives, and fit for who reads them.

#[path = "../../scripts/man/completions.rs"]
mod completions;
#[path = "../../scripts/man/pages.rs"]
mod pages;

use std::fs;

use trackerd::config::ask::{CHOICES, VERBS};
use trackerd::config::settings::{FLAGS, settings};

use crate::{has, run, source};

const PAGES: [&str; 2] = ["scripts/man/trackerd.8", "scripts/man/trackerd.conf.5"];

#[test]
fn they_are_what_the_table_gives() {
    for (name, text) in [
        (PAGES[0], pages::trackerd()),
        (PAGES[1], pages::trackerd_conf()),
        ("scripts/completions/trackerd.bash", completions::bash()),
        ("scripts/completions/_trackerd", completions::zsh()),
        ("scripts/completions/trackerd.fish", completions::fish()),
    ] {
        let committed = fs::read_to_string(source(name)).unwrap_or_default();
        assert!(committed == text, "{name} is out of date: run `make man`");
    }
}

#[test]
fn the_pages_are_well_formed_and_complete() {
    if !has(&[("mandoc", "mandoc"), ("man", "man-db")]) {
        return;
    }
    let mut shown = String::new();
    for page in PAGES {
        let path = source(page).display().to_string();
        run("mandoc", &["-T", "lint", "-W", "warning", &path]);
        let text = run("mandoc", &["-T", "utf8", "-O", "width=200", &path]);
        // Bold and underlined letters are struck twice.
        let mut plain = String::new();
        for letter in text.chars() {
            match letter {
                '\u{8}' => drop(plain.pop()),
                letter => plain.push(letter),
            }
        }
        shown += &plain;
    }
    for name in FLAGS.iter().flat_map(|flag| flag.names()) {
        assert!(shown.contains(&name), "{name}");
    }
    for verb in VERBS {
        let line = format!("\n     {} {}", verb.name, verb.value);
        assert!(shown.contains(&line), "{line}");
        assert!(shown.contains(verb.help), "{}", verb.help);
    }
    for name in CHOICES.iter().flat_map(|choice| choice.names()) {
        assert!(shown.contains(&name), "{name}");
    }
    for setting in settings() {
        let line = format!("\n     {} {}", setting.key, setting.value);
        assert!(shown.contains(&line), "{line}");
        for name in setting.names() {
            assert!(shown.contains(&name), "{name}");
        }
        let help = setting.help;
        assert!(shown.contains(help), "{help}");
    }
}

#[test]
fn bash_completes() {
    if !has(&[("bash", "bash")]) {
        return;
    }
    let complete = |before: &str, current: &str| {
        let script = source("scripts/completions/trackerd.bash");
        let script = format!(
            "set -eu; . '{}'; COMP_WORDS=(trackerd {before} '{current}'); \
             COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _trackerd; echo \"${{COMPREPLY[*]}}\"",
            script.display()
        );
        run("bash", &["-c", &script]).trim().to_owned()
    };
    assert_eq!(
        complete("-t", "--tracker.inter"),
        "--tracker.interval --tracker.interval_jitter"
    );
    assert_eq!(complete("--log-level", "w"), "warn");
    assert_eq!(complete("--tracker.pin_workers", ""), "yes no");
    assert_eq!(complete("-f", "/etc/os-relea"), "/etc/os-release");
    assert_eq!(complete("-p", "-"), "");
    assert_eq!(complete("", "ch"), "check");
    assert_eq!(complete("-t", "ch"), "");
    assert_eq!(complete("check URL", "--js"), "--json");
    assert_eq!(complete("announce --event", "st"), "started stopped");
    assert_eq!(complete("check URL", "--tracker"), "");
}

#[test]
fn zsh_and_fish_complete() {
    if !has(&[("zsh", "zsh"), ("fish", "fish")]) {
        return;
    }
    let zsh = source("scripts/completions/_trackerd")
        .display()
        .to_string();
    run("zsh", &["-n", &zsh]);
    let fish = source("scripts/completions/trackerd.fish");
    let complete = |line: &str| {
        let script = format!("source '{}'; complete -C '{line}'", fish.display());
        run("fish", &["--no-config", "-c", &script])
    };
    assert!(complete("trackerd che").starts_with("check\tSay whether"));
    assert!(complete("trackerd check --js").starts_with("--json\t"));
    let options = complete("trackerd --tracker.interval_");
    assert!(
        options.starts_with("--tracker.interval_jitter\tHow far"),
        "{options}"
    );
    assert_eq!(
        complete("trackerd --log.level w"),
        "warn\tHow much to log\n"
    );
}
