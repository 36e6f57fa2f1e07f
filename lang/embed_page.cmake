# Writes a text file as a C string: cmake -DOUT=… -DIN=… -DNAME=… -P embed_page.cmake
file(READ ${IN} hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUT} "/* generated from ${IN} */\nextern const char ${NAME}[];\nconst char ${NAME}[] = {${bytes}0};\n")
