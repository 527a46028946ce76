//! What a Dockerfile may say. It is read here and written anew, an instruction on a line of its own: so the daemon's
//! builder sees the instructions that were checked, and no others.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::policy::Policy;
use crate::reference::Reference;

/// Bytes of a Dockerfile.
pub const MAX_BYTES: usize = 64 << 10;
/// Instructions of one.
const MAX_INSTRUCTIONS: usize = 500;

/// Instructions that change nothing but the image itself.
const HARMLESS: [&str; 15] = [
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];
/// Beginnings of comments that change how the rest is read.
const DIRECTIVES: [&str; 3] = ["syntax", "escape", "check"];

/// A Dockerfile whose instructions may all be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dockerfile {
    instructions: Vec<Instruction>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Instruction {
    line: usize,
    word: String,
    rest: String,
}

/// What a `FROM` starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Start {
    /// Nothing, or an earlier stage.
    Here,
    Image(Reference),
}

impl Dockerfile {
    /// Reads and checks one.
    ///
    /// # Errors
    /// The line, and why it can't be.
    pub fn read(text: &str, policy: &Policy) -> Result<Self, Error> {
        if text.len() > MAX_BYTES {
            return Err(Error::refused(format!("the Dockerfile has more than {MAX_BYTES} bytes")));
        }
        let instructions = split(text)?;
        if instructions.len() > MAX_INSTRUCTIONS {
            return Err(Error::refused(format!(
                "the Dockerfile has more than {MAX_INSTRUCTIONS} instructions"
            )));
        }
        if instructions.first().is_none_or(|first| first.word != "FROM") {
            return Err(Error::refused("the Dockerfile does not begin with FROM"));
        }
        let dockerfile = Self { instructions };
        dockerfile.check(policy)?;
        for image in dockerfile.images()? {
            policy.check_allowed(&image)?;
        }
        Ok(dockerfile)
    }

    fn check(&self, policy: &Policy) -> Result<(), Error> {
        let mut stages = Vec::new();
        for instruction in &self.instructions {
            let refuse = |why: &str| Err(instruction.refused(why));
            match instruction.word.as_str() {
                "FROM" => stages.push(instruction.from(&stages)?.1),
                "RUN" if !policy.may_run => {
                    return refuse(
                        "the operator allows no RUN (images.run); build the image elsewhere, and name it as `image`",
                    );
                }
                "RUN" if instruction.rest.trim_start().starts_with("--") => {
                    return refuse("RUN has no options here: no mounts, no network, no secrets");
                }
                "COPY" => instruction.check_copy(&stages)?,
                "ADD" => return refuse("ADD fetches and unpacks; use COPY"),
                "ONBUILD" => {
                    return refuse("ONBUILD would be for builds from this image, and there are none");
                }
                "RUN" => {}
                word if HARMLESS.contains(&word) => {}
                _ => return refuse("there is no such instruction"),
            }
            if matches!(instruction.word.as_str(), "RUN" | "COPY") && instruction.rest.contains("<<") {
                return refuse("texts of several lines (<<) can't be used here; put them into a file");
            }
        }
        Ok(())
    }

    /// Every image that it starts from.
    ///
    /// # Errors
    /// One is no name.
    pub fn images(&self) -> Result<Vec<Reference>, Error> {
        let mut stages = Vec::new();
        let mut images = Vec::new();
        for instruction in self.instructions.iter().filter(|it| it.word == "FROM") {
            let (start, name) = instruction.from(&stages)?;
            if let Start::Image(image) = start
                && !images.contains(&image)
            {
                images.push(image);
            }
            stages.push(name);
        }
        Ok(images)
    }

    /// The instructions, with images by their ids: those that were looked at are those that are used, and nothing is
    /// fetched.
    ///
    /// # Errors
    /// An image has no id.
    pub fn with_ids(&self, ids: &BTreeMap<String, String>) -> Result<String, Error> {
        let mut text = String::new();
        let mut stages = Vec::new();
        for instruction in &self.instructions {
            let mut rest = instruction.rest.clone();
            if instruction.word == "FROM" {
                let (start, name) = instruction.from(&stages)?;
                if let Start::Image(image) = start {
                    let id = ids.get(&image.to_string());
                    rest = id.ok_or_else(|| instruction.refused("its image was not looked up"))?.clone();
                    if let Some(name) = &name {
                        rest.push_str(&format!(" AS {name}"));
                    }
                }
                stages.push(name);
            }
            text.push_str(&format!("{} {rest}\n", instruction.word));
        }
        Ok(text)
    }
}

impl Instruction {
    fn refused(&self, why: &str) -> Error {
        Error::refused(format!("line {} of the Dockerfile, {}: {why}", self.line, self.word))
    }

    /// What a `FROM` starts from, and the name that it gives.
    fn from(&self, stages: &[Option<String>]) -> Result<(Start, Option<String>), Error> {
        let words: Vec<&str> = self.rest.split_whitespace().collect();
        let (image, name) = match words.as_slice() {
            [image] => (*image, None),
            [image, word, name] if word.eq_ignore_ascii_case("as") => (*image, Some((*name).to_lowercase())),
            _ => {
                return Err(
                    self.refused("it must be an image, and perhaps AS and a name; it has no options here")
                );
            }
        };
        if name.as_ref().is_some_and(|name| !is_name(name)) {
            return Err(self.refused("a stage's name has letters, digits, - and _, and begins with a letter"));
        }
        let is_stage = stages.iter().flatten().any(|stage| stage.eq_ignore_ascii_case(image));
        if image == "scratch" || is_stage {
            return Ok((Start::Here, name));
        }
        let image = Reference::parse(image).map_err(|error| self.refused(&error.to_string()))?;
        Ok((Start::Image(image), name))
    }

    /// From the context and from earlier stages alone.
    fn check_copy(&self, stages: &[Option<String>]) -> Result<(), Error> {
        for option in self.rest.split_whitespace().take_while(|word| word.starts_with("--")) {
            match option.split_once('=') {
                Some(("--chown", _)) => {}
                Some(("--from", from)) => {
                    let is_number = from.parse::<usize>().is_ok_and(|at| at < stages.len().saturating_sub(1));
                    let earlier = &stages[..stages.len().saturating_sub(1)];
                    let is_stage = earlier.iter().flatten().any(|stage| stage.eq_ignore_ascii_case(from));
                    if !is_number && !is_stage {
                        return Err(self.refused("--from must name an earlier stage"));
                    }
                }
                _ => return Err(self.refused("its options can be --from and --chown")),
            }
        }
        Ok(())
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

/// The instructions, with lines that are continued joined and comments left out.
fn split(text: &str) -> Result<Vec<Instruction>, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut instructions: Vec<Instruction> = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(text.split('\n')) {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let refused = |why: &str| Error::refused(format!("line {number} of the Dockerfile {why}"));
        if line.chars().any(|c| c.is_control() && c != '\t') {
            return Err(refused("holds a control character"));
        }
        let plain = line.trim();
        if let Some(comment) = plain.strip_prefix('#') {
            let word = comment.split('=').next().unwrap_or_default().trim().to_lowercase();
            if comment.contains('=') && instructions.is_empty() && DIRECTIVES.contains(&word.as_str()) {
                return Err(refused("is a directive for the builder, and there are none here"));
            }
            continue;
        }
        if plain.is_empty() {
            continue;
        }
        let (start, mut joined) = open.take().unwrap_or((number, String::new()));
        match line.trim_end().strip_suffix('\\') {
            Some(part) => {
                joined.push_str(part);
                open = Some((start, joined));
            }
            None => {
                joined.push_str(line);
                instructions.push(instruction(start, &joined)?);
            }
        }
    }
    match open {
        Some((line, _)) => Err(Error::refused(format!("line {line} of the Dockerfile has no end"))),
        None => Ok(instructions),
    }
}

fn instruction(line: usize, text: &str) -> Result<Instruction, Error> {
    let text = text.trim();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    if rest.is_empty() || rest.ends_with('\\') {
        return Err(Error::refused(format!("line {line} of the Dockerfile is not whole")));
    }
    Ok(Instruction { line, word: word.to_uppercase(), rest: rest.to_owned() })
}

#[cfg(test)]
mod tests;
