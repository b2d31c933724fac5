//! The manual, in mdoc(7): prose that seldom changes around lists out of the table of settings.

use trackerd::config::ask::{CHOICES, VERBS};
use trackerd::config::settings::{FLAGS, SECTIONS, Setting};

/// Of the pages: the day their prose last changed.
const DATE: &str = "November 25, 2026";

/// trackerd(8): the command line, signals, exit codes.
pub fn trackerd() -> String {
    let mut page = head("TRACKERD", 8, "trackerd", "BitTorrent tracker");
    page += ".Sh SYNOPSIS\n.Nm\n.Op Fl f Ar FILE\n.Op Ar option ...\n";
    for verb in VERBS {
        let value = plain(verb.value);
        page += &format!(".Nm\n.Cm {}\n.Op Ar option ...\n.Ar {value}\n", verb.name);
    }
    page += DESCRIPTION;
    for flag in FLAGS {
        let names = flag.names();
        option(&mut page, &names, flag.value, flag.help);
    }
    page += ".El\n.Pp\nSettings, with the names they have in\n.Xr trackerd.conf 5 :\n";
    for section in SECTIONS {
        page += &format!(".Ss {}\n.Bl -tag -width Ds\n", section.title);
        for setting in section.settings {
            option(&mut page, &setting.names(), setting.value, setting.help);
        }
        page += ".El\n";
    }
    page += CLIENT;
    for verb in VERBS {
        let (value, help) = (plain(verb.value), sentence(verb.help));
        page += &format!(".It Cm {} Ar {value}\n{help}\n", verb.name);
    }
    page += ".El\n.Pp\nTheir options, which may stand among these words:\n\
             .Bl -tag -width Ds\n";
    for choice in CHOICES {
        option(&mut page, &choice.names(), choice.value, choice.help);
    }
    page + ".El\n" + AFTERWORD
}

/// trackerd.conf(5): the file, setting by setting.
pub fn trackerd_conf() -> String {
    let subject = "configuration file of the BitTorrent tracker";
    let mut page = head("TRACKERD.CONF", 5, "trackerd.conf", subject);
    page += GRAMMAR;
    for section in SECTIONS {
        page += &format!(".Ss {}\n.Bl -tag -width Ds\n", section.title);
        for setting in section.settings {
            entry(&mut page, setting);
        }
        page += ".El\n";
    }
    page + EXAMPLES
}

fn head(title: &str, number: u8, name: &str, subject: &str) -> String {
    format!(
        ".\\\" Made from the table of settings by `make man`: change it there.\n\
         .Dd {DATE}\n.Dt {title} {number}\n.Os\n.Sh NAME\n.Nm {name}\n.Nd {subject}\n"
    )
}

/// An option of the command line, under all its names.
fn option(page: &mut String, names: &[String], value: &str, help: &str) {
    let names = names.iter().map(|name| {
        let word = name.strip_prefix('-').unwrap_or(name);
        format!("Fl {}", plain(word).replace('-', "\\-"))
    });
    let names = names.collect::<Vec<_>>().join(" , ");
    *page += &format!(".It {names}{}\n{}\n", argument(value), sentence(help));
}

/// A setting, and what is to be known of its values.
fn entry(page: &mut String, setting: &Setting) {
    let Setting { key, value, .. } = setting;
    *page += &format!(".It Ic {}{}\n", plain(key), argument(value));
    *page += &format!("{}\n", sentence(setting.help));
    if let Some(values) = setting.values() {
        *page += &format!("Possible values: {}.\n", plain(&values));
    }
    if !setting.default.is_empty() {
        *page += &format!("The default is\n.Li {} .\n", plain(setting.default));
    }
    if setting.repeatable {
        *page += "It can be given more than once.\n";
    }
}

/// What stands for a value; `IP[/BITS]` and `yes|no` are not for mdoc to take apart.
fn argument(value: &str) -> String {
    match value {
        "" => String::new(),
        value => format!(" Ar {}", plain(value)),
    }
}

fn sentence(help: &str) -> String {
    format!("{}.", plain(help))
}

/// Text that roff takes as it is.
fn plain(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('|', "\\*(Ba");
    match text.starts_with(['.', '\'']) {
        true => format!("\\&{text}"),
        false => text,
    }
}

const DESCRIPTION: &str = r".Sh DESCRIPTION
.Nm
tells the peers of a torrent about each other.
It answers announces and scrapes over UDP and HTTP, IPv4 and IPv6.
Without options it serves everybody on port 6969 of all addresses.
.Pp
It stays in the foreground and writes its messages to the standard error.
When it serves, it writes a line that begins with
.Ql ready:\& .
Started as root, it binds its ports and then becomes the user
.Ic tracker.user .
.Pp
The command line overrides the files.
What is said last overrides what was said before.
The options are:
.Bl -tag -width Ds
";

const CLIENT: &str = r".Sh AS A CLIENT
With one of these words in front,
.Nm
asks a tracker, its own or another, and says what comes back:
.Bl -tag -width Ds
";

const AFTERWORD: &str = r".Sh SIGNALS
.Bl -tag -width SIGTERM
.It Dv SIGHUP
Read the configuration and its lists again.
What can't change before the next start is named in the log.
If anything is wrong, everything stays as it was.
.It Dv SIGTERM , SIGINT
End, within two seconds.
.El
.Sh FILES
.Bl -tag -width Ds
.It Pa opentracker.conf.sample
Every setting with its default, and what it is good for; installed with the
documentation.
.El
.Sh EXIT STATUS
.Bl -tag -width Ds
.It 0
It was told to end, or to show something and end.
.It 1
Asked by
.Fl \-health
or as a client, the tracker has not answered, or it refuses.
A
.Cm check
finds a tracker well that answers at each of its addresses that can be asked
from here; it may refuse torrents, but not one that was named.
.It 64
The command line is wrong.
.It 66
A file that was named can't be read.
.It 71
The system refused something, such as an address that is in use.
.It 77
It may not do something, such as serving on a port below 1024.
.It 78
The configuration says something unknown or impossible.
.El
.Sh EXAMPLES
Serve the torrents on a list only, on one address:
.Pp
.Dl trackerd \-w /etc/trackerd/whitelist \-i 192.0.2.1 \-p 6969 \-P 6969
.Pp
After a change of the list:
.Pp
.Dl kill \-HUP $(pidof trackerd)
.Pp
Whether a tracker is up, for people and for programs:
.Pp
.Dl trackerd check udp://tracker.example.org:6969/announce
.Dl trackerd check \-\-json \-\-timeout 2 tracker.example.org:6969
.Sh SEE ALSO
.Xr trackerd.conf 5
";

const GRAMMAR: &str = r".Sh DESCRIPTION
A configuration file of
.Xr trackerd 8 ,
named to it by
.Fl f ,
has one setting a line: its name, blanks, its value.
A line that begins with
.Ql #
is a comment.
Files written for opentracker can be used.
A setting that is unknown, impossible or not supported is an error, and
trackerd does not start.
.Pp
To check a file and start nothing:
.Pp
.Dl trackerd \-t \-f FILE
.Pp
Each setting can also be given on the command line, as
.Fl \-name Ar value ,
and overrides the files there.
On
.Dv SIGHUP
the files are read again.
.Sh SETTINGS
";

const EXAMPLES: &str = r".Sh EXAMPLES
A tracker for the torrents on a list, whose statistics are for one network:
.Bd -literal -offset indent
listen.tcp_udp   *:6969
access.whitelist /etc/trackerd/whitelist
access.stats     192.168.1.0/24
.Ed
.Sh SEE ALSO
.Xr trackerd 8
";
