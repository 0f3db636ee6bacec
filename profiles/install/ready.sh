for file in "$SOURCE"/*.json; do
  cmp -s "$file" "$SECCOMP/$NAME/${file##*/}" || exit 1
done
