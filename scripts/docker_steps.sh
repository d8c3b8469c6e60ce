#!/usr/bin/env bash
# Run the Dockerfile's build stage step by step in a clean folder, for machines without a Docker engine.
# The steps are read from the Dockerfile itself, so they cannot drift; only absolute paths are moved under the folder.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/build" "$root/opt"
moved() { sed -e "s#/opt/optimizer#$root/opt/optimizer#g" <<<"$1"; }

sed -e ':join' -e '/\\$/{N;s/\\\n//;b join' -e '}' Dockerfile | while read -r instruction arguments; do
  case $instruction in
    FROM) [[ $arguments == *" AS build" ]] && stage=build || stage=run ;;
    COPY) if [[ $stage == build ]]; then
            echo "COPY $arguments"
            read -r -a parts <<<"$arguments"
            for source in "${parts[@]:0:${#parts[@]}-1}"; do cp -r "$source" "$root/build/"; done
          fi ;;
    RUN)  if [[ $stage == build ]]; then echo "RUN $arguments"; (cd "$root/build" && eval "$(moved "$arguments")"); fi ;;
  esac
done

export PYTHONDONTWRITEBYTECODE=1 OPTIMIZER_WORKSPACE="$root/workspace"
optimizer="$root/opt/optimizer/bin/optimizer"
"$optimizer" --version
"$optimizer" init "$root/workspace" >/dev/null
"$optimizer" check >/dev/null && echo "the built command runs and its starter workspace is sound"
