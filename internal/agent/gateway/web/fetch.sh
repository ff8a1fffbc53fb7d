#!/bin/sh
# Fetches xterm.js, as package-lock.json pins it, into assets/, from where the
# agent embeds it. Needs npm. Does nothing when the same version is there.
set -eu
cd "$(dirname "$0")"

if cmp -s package-lock.json assets/package-lock.json; then
	exit 0
fi
command -v npm >/dev/null || {
	echo "fetch.sh: npm is needed to fetch the terminal page's xterm.js" >&2
	exit 1
}

# Outside the project: node_modules holds files that Go's tools would look at.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp package.json package-lock.json "$work"
(cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)

modules=$work/node_modules/@xterm
rm -f assets/package-lock.json
cp "$modules/xterm/css/xterm.css" assets/
for file in xterm/lib/xterm addon-fit/lib/addon-fit addon-web-links/lib/addon-web-links addon-unicode11/lib/addon-unicode11; do
	# The source maps stay behind, so nothing may point to them.
	sed '/^\/\/# sourceMappingURL=/d' "$modules/$file.mjs" >"assets/$(basename "$file").mjs"
done
cp "$modules/xterm/LICENSE" assets/LICENSE.xterm.txt
cp package-lock.json assets/ # last: it says that the rest is complete
