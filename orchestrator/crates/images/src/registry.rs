//! What a registry says when it gives no image, and what can be done about it.

use crate::reference::Reference;

/// What the fetching of an image was done with.
pub(crate) struct Asked<'a> {
    pub image: &'a Reference,
    /// Whether there is a file that credentials are looked for in.
    pub has_file: bool,
    /// Whether it had some for this registry.
    pub had_credentials: bool,
}

impl Asked<'_> {
    /// A sentence with the remedy, for what the daemon told.
    pub fn explained(&self, told: &str) -> String {
        let (name, registry) = (self.image.short(), &self.image.registry);
        let lower = told.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        // Not its path: who deploys reads this.
        let file = if self.has_file {
            "the operator's file of credentials"
        } else {
            "a file that images.credentials names"
        };
        let denied = says(&[
            "no basic auth",
            "unauthorized",
            "authentication required",
            "denied",
            "incorrect username",
        ]);
        let why = if denied && self.had_credentials {
            format!(
                "{registry} does not take the credentials that {file} has for it, or has no such image for them"
            )
        } else if denied {
            format!(
                "{registry} wants credentials, or has no such image: the operator's `docker login {registry}` puts some into \
                 {file}"
            )
        } else if says(&["manifest unknown", "not found", "does not exist", "name unknown"]) {
            format!("{registry} has no image of this name and tag")
        } else if says(&["server gave http response to https client"]) {
            format!("{registry} speaks no TLS: the Docker daemon has to have it in its insecure-registries")
        } else if says(&["dial tcp", "refused", "no such host", "timeout", "deadline", "eof", "tls", "x509"])
        {
            format!("{registry} can't be reached from the Docker daemon")
        } else {
            String::new()
        };
        let why = if why.is_empty() { told.to_owned() } else { format!("{why} ({told})") };
        format!("the image {name} can't be fetched: {why}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_has_its_remedy() {
        let image = Reference::parse("r.example:5000/a/b:1").unwrap();
        let asked = |had_credentials| Asked { image: &image, has_file: true, had_credentials };
        for (had_credentials, told, part) in [
            (
                false,
                "Get http://r/v2/a/b/manifests/1: no basic auth credentials",
                "docker login r.example:5000",
            ),
            (true, "unauthorized: authentication required", "the credentials that the operator's file"),
            (false, "manifest for r/a/b:1 not found: manifest unknown", "no image of this name and tag"),
            (
                false,
                "Get http://r/v2/: dial tcp 1.2.3.4:5000: connect: connection refused",
                "can't be reached",
            ),
            (false, "http: server gave HTTP response to HTTPS client", "insecure-registries"),
            (false, "no space left on device", "fetched: no space left"),
        ] {
            let why = asked(had_credentials).explained(told);
            assert!(why.contains(part) && why.contains(told) && why.contains("a/b:1"), "{why}");
        }
    }
}
