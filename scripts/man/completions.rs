//! Completions for shells, out of the table of settings.

use trackerd::config::ask::{CHOICES, VERBS};
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

/// The options of those words that ask trackers.
fn choices() -> Vec<Word> {
    let choices = CHOICES.iter().map(|choice| Word {
        names: choice.names(),
        value: choice.value,
        words: choice.words,
        help: choice.help,
    });
    choices.collect()
}

/// The words themselves, with this between them.
fn verbs(between: &str) -> String {
    let names: Vec<_> = VERBS.iter().map(|verb| verb.name).collect();
    names.join(between)
}

/// For bash, which finds it by the program's name.
pub fn bash() -> String {
    let (words, choices) = (words(), choices());
    let names = |words: &[Word]| {
        let names: Vec<_> = words.iter().flat_map(|word| word.names.clone()).collect();
        names.join("\n        ")
    };
    let mut text = format!(
        "# bash completion for trackerd. Made from the table of settings by `make man`.\n\
         _trackerd() {{\n    \
         local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}}\n    \
         local options='\n        {}'\n    \
         case ${{COMP_WORDS[1]}} in\n    \
         {})\n        options='\n        {}'\n        ;;\n    \
         *)\n        \
         if [ \"$COMP_CWORD\" = 1 ]; then options+=' {}'; fi\n        ;;\n    \
         esac\n    \
         COMPREPLY=()\n    \
         case $before in\n",
        names(&words),
        verbs(" | "),
        names(&choices),
        verbs(" "),
    );
    let compgen =
        |what: String| format!("mapfile -t COMPREPLY < <(compgen {what} -- \"$current\")");
    let known: Vec<_> = words.iter().flat_map(|word| word.names.clone()).collect();
    let others = choices
        .iter()
        .filter(|word| !word.names.iter().any(|name| known.contains(name)));
    let all = words.iter().chain(others);
    for word in all.filter(|word| !word.value.is_empty()) {
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
    let mut text = format!(
        "#compdef trackerd\n# Made from the table of settings by `make man`.\n\
         case $words[2] in\n{})\n    _arguments '1:word:({})'{}\n    return\n    ;;\nesac\n",
        verbs("|"),
        verbs(" "),
        arguments(&choices()),
    );
    text += &format!(
        "_arguments '1::word:({})'{}\n",
        verbs(" "),
        arguments(&words())
    );
    text
}

/// What zsh is told of options.
fn arguments(words: &[Word]) -> String {
    let mut text = String::new();
    for word in words {
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
    text
}

/// For fish, in a file `trackerd.fish`.
pub fn fish() -> String {
    let mut text =
        String::from("# Made from the table of settings by `make man`.\ncomplete -c trackerd -f\n");
    for verb in VERBS {
        let help = verb.help.replace('\'', "\\'");
        text += &format!(
            "complete -c trackerd -n __fish_use_subcommand -a {} -d '{help}'\n",
            verb.name
        );
    }
    for word in words() {
        text += &format!("complete -c trackerd{}", fish_option(&word));
    }
    let after = format!("'__fish_seen_subcommand_from {}'", verbs(" "));
    for word in choices() {
        text += &format!("complete -c trackerd -n {after}{}", fish_option(&word));
    }
    text
}

/// What fish is told of an option.
fn fish_option(word: &Word) -> String {
    let mut text = String::new();
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
    text + &format!(" -d '{}'\n", word.help.replace('\'', "\\'"))
}
