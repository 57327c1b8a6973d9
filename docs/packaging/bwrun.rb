# Homebrew formula, for a tap of the project: `brew install bwrun/tap/bwrun`.
#
# At a release, `sha256` gets the digest that `make build` prints for the sdist. Until then it is all zeros, and
# Homebrew refuses the formula. The dependencies are those of tests/runtime.lock, with their hashes, and pip downloads
# them. homebrew-core wants a `resource` for each instead: `brew update-python-resources` writes these.
class Bwrun < Formula
  include Language::Python::Virtualenv

  desc "Run a command with secrets from a Bitwarden vault"
  homepage "https://github.com/bwrun/bwrun"
  url "https://github.com/bwrun/bwrun/releases/download/v0.1.0/bwrun-0.1.0.tar.gz"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  license "MIT"

  depends_on "python@3.13"

  def install
    virtualenv_create(libexec, "python3.13")
    pip = ["python3.13", "-m", "pip", "--python=#{libexec}/bin/python", "install"]
    system(*pip, "--require-hashes", "--requirement", "tests/runtime.lock")
    system(*pip, "--no-deps", ".")
    bin.install_symlink libexec/"bin/bwrun"
    man1.install_symlink libexec/"share/man/man1/bwrun.1"
    bash_completion.install_symlink libexec/"share/bash-completion/completions/bwrun"
    zsh_completion.install_symlink libexec/"share/zsh/site-functions/_bwrun"
    fish_completion.install_symlink libexec/"share/fish/vendor_completions.d/bwrun.fish"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/bwrun --version")
    assert_match "credentials.missing", shell_output("BW_NOINTERACTION=true #{bin}/bwrun -- true 2>&1", 125)
  end
end
