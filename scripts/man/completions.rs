//! Completions for shells, out of the table of settings.

use trackerd::config::settings::{FLAGS, settings};

/// An option and what may follow it.
struct Word {
    /// Every way to write it.
    names: Vec<String>,
    /// Stands for its value; empty if it takes none.
    value: &'static str,
    /// The values, where they are a few words.
    words: &'static [&'static str],
    help: &'static str,
}

impl Word {
    fn takes_file(&self) -> bool {
        ["FILE", "PATH", "DIR"].contains(&self.value) && !self.names[0].ends_with("stats_path")
    }
}

fn words() -> Vec<Word> {
    let flags = FLAGS.iter().map(|flag| Word {
        names: flag.names(),
        value: flag.value,
        words: &[],
        help: flag.help,
    });
    let settings = settings().map(|setting| Word {
        names: setting.names(),
        value: setting.value,
        words: setting.words(),
        help: setting.help,
    });
    flags.chain(settings).collect()
}

/// For bash, which finds it by the program's name.
pub fn bash() -> String {
    let words = words();
    let all: Vec<_> = words.iter().flat_map(|word| word.names.clone()).collect();
    let mut text = format!(
        "# bash completion for trackerd. Made from the table of settings by `make man`.\n\
         _trackerd() {{\n    \
         local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}}\n    \
         local options='\n        {}'\n    \
         COMPREPLY=()\n    \
         case $before in\n",
        all.join("\n        ")
    );
    let compgen =
        |what: String| format!("mapfile -t COMPREPLY < <(compgen {what} -- \"$current\")");
    for word in words.iter().filter(|word| !word.value.is_empty()) {
        let reply = match (word.words, word.takes_file()) {
            ([], true) => compgen("-f".into()),
            ([], false) => ":".into(),
            (words, _) => compgen(format!("-W '{}'", words.join(" "))),
        };
        let names = word.names.join(" | ");
        text += &format!("    {names})\n        {reply}\n        ;;\n");
    }
    let options = compgen("-W \"$options\"".into());
    text += &format!("    *)\n        {options}\n        ;;\n    esac\n}}\n");
    text + "complete -o filenames -F _trackerd trackerd\n"
}

/// For zsh, in a file `_trackerd`.
pub fn zsh() -> String {
    let mut text = String::from(
        "#compdef trackerd\n# Made from the table of settings by `make man`.\n_arguments",
    );
    for word in words() {
        let help = word.help.replace('\'', "'\\''");
        let help = help.replace('[', "\\[").replace(']', "\\]");
        let value = word.value.replace('[', "\\[").replace(']', "\\]");
        let values = match (word.words, word.takes_file()) {
            ([], true) => "_files".into(),
            ([], false) => String::new(),
            (words, _) => format!("({})", words.join(" ")),
        };
        for name in &word.names {
            let value = match value.as_str() {
                "" => String::new(),
                value => format!(":{}:{values}", value.replace(':', "\\:")),
            };
            text += &format!(" \\\n    '*{name}[{help}]{value}'");
        }
    }
    text + "\n"
}

/// For fish, in a file `trackerd.fish`.
pub fn fish() -> String {
    let mut text =
        String::from("# Made from the table of settings by `make man`.\ncomplete -c trackerd -f\n");
    for word in words() {
        text += "complete -c trackerd";
        for name in &word.names {
            text += &match name.strip_prefix("--") {
                Some(long) => format!(" -l {long}"),
                None => format!(" -s {}", &name[1..]),
            };
        }
        text += match (word.value, word.takes_file()) {
            ("", _) => "",
            (_, true) => " -r -F",
            (_, false) => " -x",
        };
        if !word.words.is_empty() {
            text += &format!(" -a '{}'", word.words.join(" "));
        }
        text += &format!(" -d '{}'\n", word.help.replace('\'', "\\'"));
    }
    text
}
