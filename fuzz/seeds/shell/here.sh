cat <<E | sh
$(id)
E
cat <<-"F" > /tmp/x
	y
	F
