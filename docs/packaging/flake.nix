# Nix flake: `nix run 'github:bwrun/bwrun?dir=docs/packaging' -- --version`.
#
# The dependencies are those of nixpkgs, not those of tests/runtime.lock. If one is older than pyproject.toml asks for,
# the build fails and says which. The tests are not run: they need a network.
{
  description = "Run a command with secrets from a Bitwarden vault";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      forEach = make: nixpkgs.lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
    in
    {
      packages = forEach (pkgs: {
        default = pkgs.python3Packages.buildPythonApplication {
          pname = "bwrun";
          version = "0.1.0";
          pyproject = true;
          src = ../..;

          build-system = [ pkgs.python3Packages.flit-core ];
          dependencies = with pkgs.python3Packages; [
            argon2-cffi
            cryptography
            httpx
            idna
            orjson
            psutil
            python-dotenv
          ];
          # Without it, `--mask` finds values with Python's `re`, which is slower.
          pythonRemoveDeps = [ "hyperscan" ];

          doCheck = false;
          pythonImportsCheck = [ "bwrun.worker" ];

          meta = {
            description = "Run a command with secrets from a Bitwarden vault";
            homepage = "https://github.com/bwrun/bwrun";
            license = pkgs.lib.licenses.mit;
            mainProgram = "bwrun";
          };
        };
      });
    };
}
