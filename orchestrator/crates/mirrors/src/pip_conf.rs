//! Which certificates pip's settings files name.

/// Settings whose value is a path, and the variables that say the same.
pub(crate) const PATHS: [(&str, &str); 2] = [("cert", "PIP_CERT"), ("client-cert", "PIP_CLIENT_CERT")];

/// The sections that `pip install` reads; the later one counts, whichever files they are in.
const SECTIONS: [&str; 2] = ["global", "install"];

/// What `name` is set to, by these texts in the order in which pip reads them: (which text, the value).
pub(crate) fn setting<'a>(texts: &[&'a str], name: &str) -> Option<(usize, &'a str)> {
    let in_section = |section: &&str| {
        let numbered = texts.iter().enumerate().rev();
        numbered.filter_map(|(number, text)| Some((number, last(text, section, name)?))).next()
    };
    SECTIONS.iter().rev().find_map(in_section)
}

fn last<'a>(text: &'a str, section: &str, name: &str) -> Option<&'a str> {
    let (mut is_inside, mut found) = (false, None);
    for line in text.lines() {
        if let Some(header) = line.trim_end().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            is_inside = header == section;
        } else if is_inside
            && !line.starts_with([' ', '\t', '#', ';'])
            && let Some((key, value)) = line.split_once(['=', ':'])
            && key.trim().to_ascii_lowercase().replace('_', "-") == name
        {
            found = Some(value.trim());
        }
    }
    found.filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_of_the_command_counts_and_then_the_later_file() {
        let machine =
            "[global]\ncert = /machine.pem\nclient_cert: /client.pem\n[install]\ncert = /install.pem\n";
        let user = "# cert = /no\n[list]\ncert = /list.pem\n[global]\nindex-url = https://x/\n\
                    cert = /user.pem\n  cert = /more\n";
        assert_eq!(setting(&[machine, user], "cert"), Some((0, "/install.pem")));
        assert_eq!(setting(&[user], "cert"), Some((0, "/user.pem")));
        assert_eq!(setting(&[machine, user], "client-cert"), Some((0, "/client.pem")));
        assert_eq!(setting(&["[global]\ncert = /a\n", user], "cert"), Some((1, "/user.pem")));
        assert_eq!(setting(&["cert = /a\n", "[global]\ncert =\n"], "cert"), None);
    }
}
